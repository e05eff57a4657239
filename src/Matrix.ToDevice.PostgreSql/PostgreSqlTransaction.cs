namespace Matrix.ToDevice;

/// <summary>One send, gathered until its commit. It keeps the caller's lists: their contents are the request's until it is disposed.</summary>
internal sealed class PostgreSqlTransaction(PostgreSqlStore store, TransactionKey key, long knownRemovals) : IToDeviceTransaction
{
    private readonly UInt128 _fingerprint = key.Fingerprint();
    private bool _isOver;

    public PostgreSqlStore Store => store;
    public TransactionKey Key => key;
    public long KnownRemovals => knownRemovals;
    public List<IReadOnlyList<ToDeviceMessage>> Messages { get; } = [];
    public List<IReadOnlyList<OutboundEdu>> Edus { get; } = [];

    /// <summary>The fingerprint of the key, as the database's type for 16 bytes.</summary>
    public Guid Fingerprint => new(
        (int)(uint)(_fingerprint >> 96), (short)(ushort)(_fingerprint >> 80), (short)(ushort)(_fingerprint >> 64),
        (byte)(_fingerprint >> 56), (byte)(_fingerprint >> 48), (byte)(_fingerprint >> 40), (byte)(_fingerprint >> 32),
        (byte)(_fingerprint >> 24), (byte)(_fingerprint >> 16), (byte)(_fingerprint >> 8), (byte)_fingerprint);

    /// <summary>Tells this transaction's record from that of another one with the same key, when a commit's answer was lost.</summary>
    public long CommitId { get; } = Random.Shared.NextInt64();

    public int Bytes
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
}
