namespace Matrix.ToDevice;

/// <summary>The inboxes: for each device, the messages that it has not acknowledged yet, in order.</summary>
/// <remarks>
/// <list type="bullet">
/// <item><term>Every_device_has_its_own_inbox</term><description> User and device ID together name it, as two texts that are
/// compared by ordinal: any text, in any case (R71).</description></item>
/// </list>
/// Any exception means that the store is not to be had at the moment; the client is told to try again later (503, D3).
/// </remarks>
public interface IDeviceInbox
{
    /// <summary>
    /// Whether, at this moment, this host learns of every commit to an inbox, whoever makes it: the store calls <see cref="IInboxSignals"/>
    /// for each, because it makes all of them itself, or a channel between the hosts is known to work. Then an inbox that was found empty
    /// is not asked again until something has come, and a waiting sync sleeps until it is woken (D25). When it becomes true again, and a signal
    /// may have been lost meanwhile, the store calls <see cref="IInboxSignals.Missed"/>. By default, false: every sync asks, and a waiting one
    /// every so often (D13).
    /// </summary>
    bool SignalsEveryCommit => false;

    /// <summary>Adds messages to the inboxes of their recipients when the transaction commits.</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Foreign_transactions_are_refused</term><description> A transaction of another store throws
    /// <see cref="ArgumentException"/>: two stores cannot commit together.</description></item>
    /// <item><term>Contents_are_kept_as_sent</term><description> Every content comes out byte for byte as it went in (D9).</description></item>
    /// </list>
    /// </remarks>
    /// <param name="transaction">A transaction of the store that this inbox belongs to.</param>
    /// <param name="messages">The messages, at most one for each device. Read until the transaction is disposed.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask AppendAsync(IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken);

    /// <summary>Reads the oldest messages behind a position. Changes nothing.</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Pages_have_no_gaps</term><description> A page holds every message behind <paramref name="after"/> up to
    /// its last one, in order; none can appear among them later (R51, D12).</description></item>
    /// <item><term>Pages_are_bounded</term><description> A page ends at <paramref name="limit"/> messages, or before the message
    /// with which its contents, event types and senders would be more than <paramref name="maxBytes"/> bytes of UTF-8, whichever
    /// comes first. It has at least one message when there is one, and tells whether there are more (R53, D13, D19).</description></item>
    /// <item><term>Reading_deletes_nothing</term><description> The same read again gives the same messages, perhaps with
    /// more behind them (R55, R56).</description></item>
    /// </list>
    /// </remarks>
    /// <param name="device">Whose inbox. A device that never got a message has an empty one.</param>
    /// <param name="after">Messages with a higher sequence number are read; <see cref="InboxPosition.Start"/> for all.</param>
    /// <param name="limit">The most messages to return, at least 1.</param>
    /// <param name="maxBytes">The most bytes to return, at least 1. A first message that alone has more is returned alone.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask<InboxPage> ReadAsync(DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken);

    /// <summary>Deletes the message at a position and all before it, because the device has them.</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Only_what_was_handed_out_is_deleted</term><description> If, and only if, the inbox holds a message with
    /// this sequence number and this <see cref="InboxPosition.SendId"/>. A position that was acknowledged before, lies
    /// ahead, or comes from an earlier life of the device or from a history that a restored backup has forgotten deletes
    /// nothing and is not an error (R52, D11).</description></item>
    /// </list>
    /// </remarks>
    /// <param name="device">Whose inbox.</param>
    /// <param name="upTo">The last message that the device has.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>How many messages were deleted.</returns>
    ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken);

    /// <summary>Ends a device: its messages and its transaction records go, in one step (R70, D6).</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>A_later_device_starts_empty</term><description> A device that is created with the same ID later starts
    /// without messages and without transaction records, and no position of the earlier one deletes anything.</description></item>
    /// <item><term>Removed_devices_get_nothing</term><description> See <see cref="IToDeviceTransaction.CommitAsync"/>: sends
    /// that looked the device up before this call cannot commit to it, nor from it.</description></item>
    /// </list>
    /// Call it after the device is gone from the host's own list of devices. Harmless for a device that does not exist.
    /// </remarks>
    /// <param name="device">The device.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken);
}
