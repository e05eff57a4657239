namespace Matrix.ToDevice;

/// <summary>One send, gathered until its commit. It keeps the caller's lists: their contents are the request's until it is disposed.</summary>
internal sealed class SqliteTransaction(SqliteStore store, TransactionKey key, long knownRemovals)
    : WriteItem<CommitResult>, IToDeviceTransaction
{
    private bool _isOver;

    public SqliteStore Store => store;
    public TransactionKey Key => key;
    public UInt128 Fingerprint { get; } = key.Fingerprint();
    public long KnownRemovals => knownRemovals;
    public List<IReadOnlyList<ToDeviceMessage>> Messages { get; } = new(1);
    public List<IReadOnlyList<OutboundEdu>> Edus { get; } = new(0);

    public override int Bytes
    {
        get
        {
            var bytes = 0;
            foreach (var messages in Messages)
                for (var i = 0; i < messages.Count; i++) bytes += messages[i].Content.Length;
            foreach (var edus in Edus)
                for (var i = 0; i < edus.Count; i++) bytes += edus[i].Content.Length;
            return bytes;
        }
    }

    public void ThrowIfOver()
    {
        if (_isOver) throw new InvalidOperationException("The transaction is over: its commit was called, or it was disposed.");
    }

    public ValueTask<CommitResult> CommitAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ThrowIfOver();
        _isOver = true;
        return store.CommitAsync(this, cancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        _isOver = true;
        return ValueTask.CompletedTask;
    }

    protected override CommitResult Write(WriteConnection connection) => connection.Commit(this);
}
