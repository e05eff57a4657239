using System.Text;

namespace Matrix.ToDevice;

/// <summary>
/// The strings of user and device IDs that came lately: the same ones come again and again, and a send to 250 devices names
/// up to 500. What it takes up is bounded, whatever clients send.
/// </summary>
internal static class KnownIds
{
    private const int Places = 1 << 14;
    private const int MaxLength = 128;

    // One place for each hash, and the latest wins. Written without a lock: a string is whole or not there.
    private static readonly string?[] s_ids = new string?[Places];

    public static string Get(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length > MaxLength) return Encoding.UTF8.GetString(utf8);

        var hash = new HashCode();
        hash.AddBytes(utf8);
        ref var place = ref s_ids[hash.ToHashCode() & (Places - 1)];
        var known = place;
        // Other letters than those of ASCII are never equal here: such IDs are historical, and made anew each time.
        if (known is null || !Ascii.Equals(utf8, known)) place = known = Encoding.UTF8.GetString(utf8);
        return known;
    }
}
