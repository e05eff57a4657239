namespace Matrix.ToDevice;

/// <summary>
/// A place in the inbox of one device: the last message of a response. It means nothing for another device.
/// </summary>
/// <param name="Sequence">
/// The message's number in its device's inbox: 1, 2, 3, … in the order in which sends commit to that inbox (D12).
/// </param>
/// <param name="SendId">The <see cref="ToDeviceMessage.SendId"/> of the message that has that number.</param>
public readonly record struct InboxPosition(long Sequence, long SendId)
{
    /// <summary>Before the first message.</summary>
    public static InboxPosition Start => default;
}
