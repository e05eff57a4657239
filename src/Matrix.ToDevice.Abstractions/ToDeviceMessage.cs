namespace Matrix.ToDevice;

/// <summary>One message on its way into the inbox of one device.</summary>
/// <param name="Recipient">The device that gets it.</param>
/// <param name="Sender">The sender's user ID.</param>
/// <param name="EventType">The event type.</param>
/// <param name="Content">
/// The content: the JSON object that the sender sent, as UTF-8, kept character for character (D9). The memory is the
/// request's: it is valid until the transaction is disposed, and a store that keeps it longer copies it.
/// </param>
/// <param name="SendId">
/// A random number of the send, the same for all its messages. With the position it names the message for good: a
/// store that was restored from a backup gives out its positions again, but never with the same number (D11).
/// </param>
public readonly record struct ToDeviceMessage(
    DeviceAddress Recipient, string Sender, string EventType, ReadOnlyMemory<byte> Content, long SendId);
