namespace Matrix.ToDevice;

/// <summary>Settings of the in-memory store.</summary>
public sealed class InMemoryOptions
{
    /// <summary>
    /// How much memory the store may take, in bytes: messages with their texts, EDUs, transaction records, inboxes, sends that
    /// are open, and what it keeps to use again. A send that would go beyond it is answered 503, and nothing of it is kept.
    /// At least 16 MiB. Default: 1 GiB.
    /// </summary>
    public long CapacityBytes { get; set; } = 1L << 30;
}
