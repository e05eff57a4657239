namespace Matrix.ToDevice;

/// <summary>One send, gathered until its commit. It keeps the caller's lists: their contents are the request's until it is disposed.</summary>
internal sealed class SqliteTransaction(SqliteStore store, TransactionKey key, long knownRemovals)
    : WriteItem<CommitResult>, IToDeviceTransaction
{
    private int _bytes;
    private bool _isOver;

    public SqliteStore Store => store;
    public TransactionKey Key => key;
    public UInt128 Fingerprint { get; } = key.Fingerprint();
    public long KnownRemovals => knownRemovals;
    public IReadOnlyList<ToDeviceMessage> Messages { get; private set; } = [];
    public IReadOnlyList<OutboundEdu> Edus { get; private set; } = [];
    public override int Bytes => _bytes;

    public void Append(IReadOnlyList<ToDeviceMessage> messages)
    {
        var bytes = 0;
        string? sender = null, eventType = null;
        for (var i = 0; i < messages.Count; i++)
        {
            var message = messages[i];
            SqliteText.Check(message.Recipient);
            // They are the same for all messages of a send.
            if (!ReferenceEquals(message.Sender, sender)) SqliteText.Check(sender = message.Sender, nameof(message.Sender));
            if (!ReferenceEquals(message.EventType, eventType)) SqliteText.Check(eventType = message.EventType, nameof(message.EventType));
            bytes += message.Content.Length;
        }

        Messages = Messages.Count == 0 ? messages : [.. Messages, .. messages];
        _bytes += bytes;
    }

    public void Append(IReadOnlyList<OutboundEdu> edus)
    {
        var bytes = 0;
        for (var i = 0; i < edus.Count; i++)
        {
            SqliteText.Check(edus[i].Destination, nameof(OutboundEdu.Destination));
            SqliteText.Check(edus[i].MessageId, nameof(OutboundEdu.MessageId));
            bytes += edus[i].Content.Length;
        }

        Edus = Edus.Count == 0 ? edus : [.. Edus, .. edus];
        _bytes += bytes;
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

    public override void Succeed()
    {
        // Whoever has made it, the module's endpoint or somebody else (D25).
        if (Result == CommitResult.Committed) store.Signals?.MessagesArrived(Messages);
        base.Succeed();
    }

    protected override CommitResult Write(WriteConnection connection) => connection.Commit(this);
}
