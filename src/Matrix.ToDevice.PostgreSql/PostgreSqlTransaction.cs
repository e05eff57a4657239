namespace Matrix.ToDevice;

/// <summary>One send, gathered until its commit. It keeps the caller's lists: their contents are the request's until it is disposed.</summary>
internal sealed class PostgreSqlTransaction(PostgreSqlStore store, TransactionKey key, long knownRemovals) : IToDeviceTransaction
{
    private bool _isOver;

    public PostgreSqlStore Store => store;
    public TransactionKey Key => key;
    public long KnownRemovals => knownRemovals;
    public List<IReadOnlyList<ToDeviceMessage>> Messages { get; } = [];
    public List<IReadOnlyList<OutboundEdu>> Edus { get; } = [];

    /// <summary>The fingerprint of the key, as the database's type for 16 bytes.</summary>
    public Guid Fingerprint { get; } = FingerprintOf(key);

    /// <summary>Tells this transaction's record from that of another one with the same key, when a commit's answer was lost.</summary>
    public long CommitId { get; } = Random.Shared.NextInt64();

    /// <summary>How many bytes the contents have.</summary>
    public int Bytes { get; private set; }

    /// <inheritdoc cref="Fingerprint"/>
    public static Guid FingerprintOf(in TransactionKey key)
    {
        var fingerprint = key.Fingerprint();
        return new Guid(
            (int)(uint)(fingerprint >> 96), (short)(ushort)(fingerprint >> 80), (short)(ushort)(fingerprint >> 64),
            (byte)(fingerprint >> 56), (byte)(fingerprint >> 48), (byte)(fingerprint >> 40), (byte)(fingerprint >> 32),
            (byte)(fingerprint >> 24), (byte)(fingerprint >> 16), (byte)(fingerprint >> 8), (byte)fingerprint);
    }

    public void Append(IReadOnlyList<ToDeviceMessage> messages)
    {
        var bytes = 0;
        string? sender = null, eventType = null;
        for (var i = 0; i < messages.Count; i++)
        {
            var message = messages[i];
            PostgreSqlText.Check(message.Recipient);
            // They are the same for all messages of a send.
            if (!ReferenceEquals(message.Sender, sender)) PostgreSqlText.Check(sender = message.Sender, nameof(message.Sender));
            if (!ReferenceEquals(message.EventType, eventType)) PostgreSqlText.Check(eventType = message.EventType, nameof(message.EventType));
            bytes += message.Content.Length;
        }

        Messages.Add(messages);
        Bytes += bytes;
    }

    public void Append(IReadOnlyList<OutboundEdu> edus)
    {
        var bytes = 0;
        for (var i = 0; i < edus.Count; i++)
        {
            PostgreSqlText.CheckName(edus[i].Destination, nameof(OutboundEdu.Destination));
            PostgreSqlText.CheckName(edus[i].MessageId, nameof(OutboundEdu.MessageId));
            bytes += edus[i].Content.Length;
        }

        Edus.Add(edus);
        Bytes += bytes;
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
