using System.Transactions;

namespace Matrix.ToDevice;

/// <summary>
/// Keeps out of a <see cref="TransactionScope"/> that a host has around a whole request: a sync that waits in it would look at one
/// moment of the database again and again, and what was answered would come to nothing with it.
/// </summary>
internal static class HostTransaction
{
    /// <summary>Begins something that does not take part; what is behind its first wait does not either.</summary>
    public static T Without<T>(Func<T> begin)
    {
        if (Transaction.Current is null) return begin();
        using (new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled)) return begin();
    }
}
