namespace Matrix.ToDevice;

/// <summary>
/// What operators ask of a store: how much waits, how old it is, what has to go, and whether all is well. Optional: without it
/// messages are delivered all the same, but have no quota and no expiry, and the metrics of what waits are missing.
/// </summary>
/// <remarks>
/// A store that has it also tells the <see cref="InboxMessage.CommittedAt"/> of its messages. It is the same object as the
/// <see cref="ITransactionStore"/> and the <see cref="IDeviceInbox"/>. Time is the store's: hosts that share one need not have the same.
/// </remarks>
public interface IStoreUpkeep
{
    /// <summary>Measures all that waits in the store. For a sample now and then, not for each request.</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>What_waits_is_measured</term><description> What was acknowledged, removed or expired does not count.</description></item>
    /// </list>
    /// </remarks>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken);

    /// <summary>Measures the inboxes of these devices, in one call for a whole send.</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Inboxes_are_measured</term><description> As many results as devices, in the same order; nothing for a device that never got
    /// a message. Counting may stop where one of the bounds is reached. With a bound of 0 bytes, none are counted: all sizes have 0, and
    /// messages are counted as ever.</description></item>
    /// </list>
    /// </remarks>
    /// <param name="devices">The devices.</param>
    /// <param name="upTo">
    /// What is enough to know: from either of these on, a larger number says nothing more. 0 bytes: nobody wants to know them.
    /// </param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken);

    /// <summary>Whether a send with this key was committed: a retry of it is answered 200 whatever else is refused (D14).</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Committed_keys_are_known</term><description> On every host. It is no use of the record (D5).</description></item>
    /// </list>
    /// </remarks>
    /// <param name="key">The key.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken);

    /// <summary>Deletes messages that have waited for too long, in all inboxes.</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Old_messages_expire</term><description> Of each inbox, the oldest ones; younger ones keep their positions, and tokens that
    /// name what has gone delete nothing (D11).</description></item>
    /// </list>
    /// </remarks>
    /// <param name="committedBefore">Messages that were committed at this moment or later are kept.</param>
    /// <param name="atMost">The most messages to delete in this call, so that no call takes long.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>
    /// How many messages were deleted. Fewer than <paramref name="atMost"/>: no more are due, but for inboxes that somebody else had at
    /// that moment; 0: none at all.
    /// </returns>
    ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken);

    /// <summary>Takes a task of upkeep that is due, so that several hosts do not all do it.</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Upkeep_is_done_once</term><description> Of all hosts of a store, one gets true, and then nobody for as long as the interval.
    /// A host that dies meanwhile leaves the task to the next interval.</description></item>
    /// </list>
    /// </remarks>
    /// <param name="task">The name of the task.</param>
    /// <param name="interval">How often it is due.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken);

    /// <summary>
    /// Finds out whether the store can be read and written, and whether what writes to it gets on. Any exception means that it cannot be
    /// used at the moment; its message says why.
    /// </summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>Null, or what works less well than it could, and what to do about it.</returns>
    ValueTask<string?> CheckAsync(CancellationToken cancellationToken);
}
