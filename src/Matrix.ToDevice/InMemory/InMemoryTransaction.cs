namespace Matrix.ToDevice;

/// <summary>
/// What one send will put into the in-memory store. Nobody else sees it before the commit. It keeps the caller's lists of
/// messages; their contents are copied into slots.
/// </summary>
internal sealed class InMemoryTransaction(InMemoryStore store, TransactionKey key, long knownRemovals) : IToDeviceTransaction
{
    private bool _committed;

    public InMemoryStore Store => store;
    public TransactionKey Key => key;
    public long KnownRemovals => knownRemovals;

    /// <summary>Messages and, in the same order, where their contents lie.</summary>
    public List<(IReadOnlyList<ToDeviceMessage> Messages, ContentPool.Slot[] Contents)> Messages { get; } = new(1);
    public List<(string Destination, string MessageId, byte[] Content)> Edus { get; } = new(0);

    public ValueTask<CommitResult> CommitAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var result = store.Commit(this);
        _committed = result == CommitResult.Committed;
        return ValueTask.FromResult(result);
    }

    public ValueTask DisposeAsync()
    {
        // After a commit, the slots belong to the inboxes.
        store.End(this, _committed);
        return ValueTask.CompletedTask;
    }
}
