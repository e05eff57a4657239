namespace Matrix.ToDevice;

/// <summary>
/// What one send will put into the in-memory store. Nobody else sees it before the commit. It keeps the caller's lists of
/// messages; their contents are copied into slots.
/// </summary>
internal sealed class InMemoryTransaction(InMemoryStore store, TransactionKey key, long knownRemovals) : IToDeviceTransaction
{
    private bool _isOver;

    public InMemoryStore Store => store;
    public TransactionKey Key => key;

    /// <summary>Made at the beginning: a key that is no text has none, and what was appended by then would stay.</summary>
    public UInt128 Fingerprint { get; } = key.Fingerprint();
    public long KnownRemovals => knownRemovals;

    /// <summary>The messages of the first append.</summary>
    public Part? FirstPart { get; private set; }
    public InMemoryOutbox.Edu? FirstEdu { get; private set; }

    /// <summary>How much of the capacity is kept for what the commit takes, beside the slots.</summary>
    public long ReservedBytes { get; set; }

    private Part? _lastPart;
    private InMemoryOutbox.Edu? _lastEdu;

    public void Add(Part part)
    {
        if (_lastPart is null) FirstPart = part;
        else _lastPart.Next = part;
        _lastPart = part;
    }

    public void Add(InMemoryOutbox.Edu edu)
    {
        if (_lastEdu is null) FirstEdu = edu;
        else _lastEdu.Next = edu;
        _lastEdu = edu;
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
        return ValueTask.FromResult(store.Commit(this));
    }

    public ValueTask DisposeAsync()
    {
        if (!_isOver) store.Abandon(this);
        _isOver = true;
        return ValueTask.CompletedTask;
    }

    /// <summary>The messages of one append and, in the same order, where their contents lie.</summary>
    internal sealed class Part(IReadOnlyList<ToDeviceMessage> messages, ContentPool.Slot[] contents)
    {
        public IReadOnlyList<ToDeviceMessage> Messages => messages;
        public ContentPool.Slot[] Contents => contents;
        public Part? Next { get; set; }
    }
}
