namespace Matrix.ToDevice;

/// <summary>What one send will put into the in-memory store. Nobody else sees it before the commit.</summary>
internal sealed class InMemoryTransaction(InMemoryStore store, TransactionKey key, long knownRemovals) : IToDeviceTransaction
{
    public InMemoryStore Store => store;
    public TransactionKey Key => key;
    public long KnownRemovals => knownRemovals;
    public List<(ToDeviceMessage Message, ContentPool.Slot Content)> Messages { get; } = [];
    public List<(string Destination, string MessageId, byte[] Content)> Edus { get; } = [];

    public ValueTask<CommitResult> CommitAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var result = store.Commit(this);
        // The inboxes own the contents now; there is nothing to give back.
        if (result == CommitResult.Committed) Messages.Clear();
        return ValueTask.FromResult(result);
    }

    public ValueTask DisposeAsync()
    {
        store.Abandon(this);
        return ValueTask.CompletedTask;
    }
}
