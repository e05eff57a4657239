namespace Matrix.ToDevice;

/// <summary>
/// Wakes the syncs of this host that wait for a device's messages. The module implements it and signals by itself what this
/// host's endpoint commits; a store that several hosts share calls it for what the others have committed, one that says
/// <see cref="IDeviceInbox.SignalsEveryCommit"/> for every commit, and a homeserver for what it has written itself.
/// </summary>
/// <remarks>
/// A signal is a hint and the store is the truth: one too many costs a read, one too few costs latency, never a message
/// (D13). Returns at once, from any thread, and throws nothing.
/// </remarks>
public interface IInboxSignals
{
    /// <summary>Messages for this device were committed, and not by this host's own endpoint.</summary>
    /// <param name="device">The recipient.</param>
    void MessagesArrived(DeviceAddress device);

    /// <summary>These messages were committed.</summary>
    /// <param name="messages">The messages; their recipients are told.</param>
    void MessagesArrived(IReadOnlyList<ToDeviceMessage> messages)
    {
        foreach (var message in messages) MessagesArrived(message.Recipient);
    }

    /// <summary>
    /// This device was removed, and not through this host's <c>ToDeviceSync</c>: on another host, or in a transaction of the
    /// homeserver. Whoever waits for it stops (D6).
    /// </summary>
    /// <param name="device">The device.</param>
    void DeviceRemoved(DeviceAddress device);

    /// <summary>Signals may have been lost, so anything may have happened: every waiting sync looks.</summary>
    void Missed();
}
