namespace Matrix.ToDevice;

/// <summary>
/// One send on its way into the store, begun by <see cref="ITransactionStore.BeginAsync"/>. Used by one caller at a time.
/// </summary>
/// <remarks>
/// <list type="bullet">
/// <item><term>Abandoned_transactions_leave_nothing</term><description> Disposed without a commit, it leaves no message,
/// no EDU and no record, and its key is free again (D3).</description></item>
/// <item><term>Open_transactions_hold_up_nobody</term><description> While it is open, others begin and commit, with any key
/// and to any device, and readers read: a slow client is nobody else's trouble. Nor do calls wait for each other in a circle, in whatever
/// order they name devices and destinations: a store locks in one order, or makes again what its database has ended for it (D12).</description></item>
/// <item><term>Transactions_commit_once</term><description> It is over when it is disposed, and when <see cref="CommitAsync"/>
/// was called, whatever came of that: a result or an exception. From then on, a commit and an append throw
/// <see cref="InvalidOperationException"/> and do nothing; disposing it does nothing more. A retry is a transaction of its own.
/// A commit whose token was cancelled before it was called has not been called.</description></item>
/// </list>
/// </remarks>
public interface IToDeviceTransaction : IAsyncDisposable
{
    /// <summary>Makes everything that was appended, and the record of the key, visible in one step; or nothing of it.</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>One_commit</term><description> The record, the messages of every inbox and the EDUs of every destination
    /// become visible together. No reader, on any host, sees a part (D4).</description></item>
    /// <item><term>One_winner</term><description> Of all transactions with one key, on any number of hosts and at any time
    /// within the record's retention, exactly one is <see cref="CommitResult.Committed"/>; the others are
    /// <see cref="CommitResult.AlreadyCommitted"/>, and each of them counts as a use of the record (R41, D5).</description></item>
    /// <item><term>Positions_in_commit_order</term><description> The messages take the next sequence numbers of their
    /// devices' inboxes in the order in which sends commit; a number that a reader has passed never gains a message (D12).</description></item>
    /// <item><term>Removed_devices_get_nothing</term><description> When the sending device or a recipient was removed and
    /// that removal is not among the <c>knownRemovals</c> that the transaction began with, nothing is committed and the
    /// result is <see cref="CommitResult.DeviceRemoved"/>. The store's <see cref="ITransactionStore.KnownRemovals"/>
    /// includes that removal from then on (D6).</description></item>
    /// </list>
    /// </remarks>
    /// <param name="cancellationToken">
    /// Cancels the wait for the commit while it has not begun. Once begun it is carried through; when this method throws,
    /// the caller does not know how it ended, and a retry with the same key finds out.
    /// </param>
    ValueTask<CommitResult> CommitAsync(CancellationToken cancellationToken);
}
