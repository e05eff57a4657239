namespace Matrix.ToDevice;

/// <summary>One send, gathered until its commit. Contents are the request's until it is disposed.</summary>
internal sealed class EntityFrameworkTransaction(
    object store, TransactionKey key, long knownRemovals,
    Func<EntityFrameworkTransaction, CancellationToken, ValueTask<CommitResult>> commit) : IToDeviceTransaction
{
    private bool _isOver;

    public object Store => store;
    public long KnownRemovals => knownRemovals;
    public List<(UInt128 Device, ToDeviceMessage Message)> Messages { get; } = [];
    public List<(string Destination, OutboundEdu Edu)> Edus { get; } = [];

    /// <summary>The fingerprint of the key.</summary>
    public byte[] Key { get; } = StoredKey.ToBytes(key.Fingerprint());

    public UInt128 Sender { get; } = StoredKey.OfSender(key);

    /// <summary>Whether the sender can be removed.</summary>
    public bool HasDevice { get; } = key.DeviceId is not null;

    public int Kind { get; } = KindOf(key.Endpoint);

    /// <summary>Tells this transaction's record from that of another one with the same key, when a commit's answer was lost.</summary>
    public long CommitId { get; } = Random.Shared.NextInt64();

    public static int KindOf(string endpoint) => endpoint == TransactionKey.DirectToDevice ? 1 : 0;

    public void Append(IReadOnlyList<ToDeviceMessage> messages)
    {
        var added = new List<(UInt128, ToDeviceMessage)>(messages.Count);
        string? sender = null, eventType = null;
        for (var i = 0; i < messages.Count; i++)
        {
            var message = messages[i];
            // They are the same for all messages of a send.
            if (!ReferenceEquals(message.Sender, sender)) StoredText.Check(sender = message.Sender, nameof(message.Sender));
            if (!ReferenceEquals(message.EventType, eventType)) StoredText.Check(eventType = message.EventType, nameof(message.EventType));
            added.Add((StoredKey.Of(message.Recipient), message));
        }

        Messages.AddRange(added);
    }

    public void Append(IReadOnlyList<OutboundEdu> edus)
    {
        var added = new List<(string, OutboundEdu)>(edus.Count);
        for (var i = 0; i < edus.Count; i++)
        {
            StoredText.Check(edus[i].MessageId, nameof(OutboundEdu.MessageId));
            added.Add((StoredText.Destination(edus[i].Destination), edus[i]));
        }

        Edus.AddRange(added);
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
        return commit(this, cancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        _isOver = true;
        return ValueTask.CompletedTask;
    }
}
