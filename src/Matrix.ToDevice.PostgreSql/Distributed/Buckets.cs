using System.Security.Cryptography;
using System.Text;

namespace Matrix.ToDevice;

/// <summary>
/// Which bucket an owner's rows are in. Never to be changed: rows stay where they are. Users are in any of them; destinations, which are
/// looked for without a name, in a few.
/// </summary>
internal static class Buckets
{
    public const int Count = 256, OfDestinations = 16;

    /// <summary>The bucket of a user.</summary>
    public static int Of(string userId) => HashOf(userId);

    /// <summary>The bucket of a destination.</summary>
    public static int OfDestination(string destination) => HashOf(destination) % OfDestinations;

    private static byte HashOf(string owner)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(owner), hash);
        return hash[0];
    }
}
