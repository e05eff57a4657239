namespace Matrix.ToDevice;

/// <summary>What the messages of one send have in common, for as long as one of them is pending. Its texts are the client's choice: they count.</summary>
internal sealed class InMemorySend(in ToDeviceMessage message, DateTimeOffset committedAt)
{
    private const int ObjectBytes = 64;

    public long Id { get; } = message.SendId;
    public string Sender { get; } = message.Sender;
    public string EventType { get; } = message.EventType;

    public DateTimeOffset CommittedAt { get; } = committedAt;

    /// <summary>How many of its messages are pending.</summary>
    public int Pending { get; set; }

    public int Bytes => SizeOf(Sender, EventType);

    /// <summary>Whether a message is of this send, or of one like it.</summary>
    public bool Has(in ToDeviceMessage message) => Has(message, Sender, EventType, Id);

    /// <summary>What the sends of some messages take. Neighbours with the same texts are of one send.</summary>
    public static long SizeOf(IReadOnlyList<ToDeviceMessage> messages)
    {
        var bytes = 0L;
        for (var i = 0; i < messages.Count; i++)
        {
            var message = messages[i];
            if (i == 0 || !Has(message, messages[i - 1].Sender, messages[i - 1].EventType, messages[i - 1].SendId))
                bytes += SizeOf(message.Sender, message.EventType);
        }

        return bytes;
    }

    // The same objects, not equal ones: no text is compared, and what is kept twice counts twice.
    private static bool Has(in ToDeviceMessage message, string sender, string eventType, long id) =>
        ReferenceEquals(message.Sender, sender) && ReferenceEquals(message.EventType, eventType) && message.SendId == id;

    private static int SizeOf(string sender, string eventType) =>
        ObjectBytes + InMemoryCapacity.SizeOf(sender) + InMemoryCapacity.SizeOf(eventType);
}
