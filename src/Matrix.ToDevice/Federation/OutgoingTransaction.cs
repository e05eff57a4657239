using System.Security.Cryptography;
using System.Text;

namespace Matrix.ToDevice;

/// <summary>Which EDUs make the next transaction, and its ID.</summary>
internal static class OutgoingTransaction
{
    // "edu_type", "content" and what is around them.
    private const int EduOverhead = 64;

    /// <summary>How many of the waiting EDUs the next transaction holds; at least one.</summary>
    /// <param name="waiting">What waits, in order; not empty.</param>
    /// <param name="sendingUpTo">The last EDU of a transaction that was tried before: it is repeated as it was (R84). 0: none was.</param>
    /// <param name="maxEdus">The most EDUs of a new one (R83).</param>
    /// <param name="maxBytes">The most bytes of a new one that has more than one EDU (R90).</param>
    public static int CountOf(IReadOnlyList<OutboxEntry> waiting, long sendingUpTo, int maxEdus, int maxBytes)
    {
        var again = waiting.Count(edu => edu.Position <= sendingUpTo);
        if (again > 0) return again;

        var count = 0;
        var bytes = 0;
        while (count < Math.Min(waiting.Count, maxEdus))
        {
            bytes += waiting[count].Content.Length + EduOverhead;
            if (count > 0 && bytes > maxBytes) break;
            count++;
        }

        return count;
    }

    /// <summary>
    /// The transaction of these EDUs. Its ID follows from them: a receiver that knows the ID skips the transaction, so that other
    /// EDUs need another one, and a repetition, on whatever host, the same.
    /// </summary>
    public static FederationTransaction Of(string destination, IReadOnlyList<OutboxEntry> edus) => new(destination, IdOf(edus), edus);

    /// <summary>The ID of a transaction of these.</summary>
    public static string IdOf(IReadOnlyList<OutboxEntry> edus)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', edus.Select(edu => edu.MessageId))));
        return Convert.ToHexStringLower(hash.AsSpan(0, 16));
    }
}
