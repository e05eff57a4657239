using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Matrix.ToDevice;

/// <summary>What all messages of one send have in common (R23).</summary>
internal readonly record struct SendHead(string Sender, string EventType, long Id)
{
    // Asking the generator costs more than what it gives: several numbers at once.
    [ThreadStatic]
    private static long[]? s_ids;

    [ThreadStatic]
    private static int s_idsLeft;

    /// <summary>
    /// A number from the cryptographic generator: a client that could foresee it could forge tokens ahead of the store (D11).
    /// </summary>
    public static long NewId()
    {
        s_ids ??= new long[32];
        if (s_idsLeft == 0)
        {
            RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(s_ids.AsSpan()));
            s_idsLeft = s_ids.Length;
        }

        return s_ids[--s_idsLeft];
    }
}
