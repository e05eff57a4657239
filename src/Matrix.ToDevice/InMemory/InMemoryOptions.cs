namespace Matrix.ToDevice;

/// <summary>Settings of the in-memory store.</summary>
public sealed class InMemoryOptions
{
    /// <summary>
    /// How much memory pending messages, EDUs and transaction records may take, in bytes, by the store's own reckoning.
    /// A send that would go beyond it is answered 503, and nothing of it is kept. Default: 1 GiB.
    /// </summary>
    public long CapacityBytes { get; set; } = 1L << 30;
}
