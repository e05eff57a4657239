namespace Matrix.ToDevice.Bench;

/// <summary>One send of a <see cref="MemoryLoad"/>.</summary>
internal sealed record MemorySend(
    DeviceAddress? Sender = null, DeviceAddress? Recipient = null, string EventType = "m.room.encrypted", int Messages = 1, int Bytes = 2,
    string? Destination = null);

/// <summary>An in-memory store, and sends that fill it.</summary>
internal sealed class MemoryLoad : IAsyncDisposable
{
    private static readonly DeviceAddress s_alice = new("@alice:example.org", "A"), s_bob = new("@bob:example.org", "B");

    private readonly ServiceProvider _services;
    private readonly ITransactionStore _transactions;
    private readonly IDeviceInbox _inbox;
    private readonly IFederationOutbox _outbox;
    private readonly List<IToDeviceTransaction> _open = [];
    private readonly Dictionary<DeviceAddress, InboxPosition> _last = [];
    private byte[] _content = [];
    private int _number;

    public MemoryLoad(long capacity)
    {
        var services = new ServiceCollection();
        services.AddSendToDevice().UseInMemory(options => options.CapacityBytes = capacity);
        _services = services.BuildServiceProvider();
        _transactions = _services.GetRequiredService<ITransactionStore>();
        _inbox = _services.GetRequiredService<IDeviceInbox>();
        _outbox = _services.GetRequiredService<IFederationOutbox>();
    }

    /// <summary>How many sends were committed, or are open.</summary>
    public int Taken { get; private set; }

    /// <summary>Sends until the store refuses, and no more than so many.</summary>
    public async Task SendAsync(int atMost, Func<int, MemorySend> make, Func<MemorySend, Task>? then = null)
    {
        for (var n = 0; n < atMost; n++)
        {
            var send = make(n);
            await using var transaction = await BeginAsync(send);
            if (!await TryAppendAsync(transaction, send) || !await TryCommitAsync(transaction)) return;

            Taken++;
            // What this load remembers is not what is measured: of many devices, only those that acknowledge.
            if (send.Messages > 0 && (send.Recipient is null || then is not null))
            {
                var recipient = send.Recipient ?? s_bob;
                _last[recipient] = new InboxPosition(_last.GetValueOrDefault(recipient).Sequence + send.Messages, _number);
            }

            if (then is not null) await then(send);
        }
    }

    /// <summary>Begins sends until the store refuses, and ends none.</summary>
    public async Task OpenAsync(int atMost, int bytes)
    {
        for (var n = 0; n < atMost; n++)
        {
            var transaction = await BeginAsync(new());
            _open.Add(transaction);
            if (!await TryAppendAsync(transaction, new(Bytes: bytes))) return;
            Taken++;
        }
    }

    /// <summary>A send that is refused, or ends before its commit.</summary>
    public async Task AbandonAsync(int bytes)
    {
        await using var transaction = await BeginAsync(new());
        await TryAppendAsync(transaction, new(Bytes: bytes));
    }

    public Task AcknowledgeAsync() => AcknowledgeAsync(new());

    public async Task AcknowledgeAsync(MemorySend send)
    {
        var device = send.Recipient ?? s_bob;
        if (_last.TryGetValue(device, out var last)) await _inbox.AcknowledgeAsync(device, last, default);
        if (send.Recipient is not null) _last.Remove(device);
    }

    public async Task RemoveSenderAsync(MemorySend send) => await _inbox.RemoveDeviceAsync(send.Sender!.Value, default);

    public async Task RemoveEdusAsync(string destination) => await _outbox.RemoveAsync(destination, long.MaxValue, default);

    /// <summary>Forgets all records of sends.</summary>
    public async Task PurgeAsync()
    {
        while (await _transactions.PurgeAsync(TransactionKey.SendToDevice, DateTimeOffset.MaxValue, 1000, default) > 0)
        {
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var transaction in _open) await transaction.DisposeAsync();
        await _services.DisposeAsync();
    }

    private async Task<IToDeviceTransaction> BeginAsync(MemorySend send)
    {
        var (userId, deviceId) = send.Sender ?? s_alice;
        var key = new TransactionKey(userId, deviceId, TransactionKey.SendToDevice, send.EventType, $"{++_number}");
        return (await _transactions.BeginAsync(key, _transactions.KnownRemovals, default))!;
    }

    private async Task<bool> TryAppendAsync(IToDeviceTransaction transaction, MemorySend send)
    {
        try
        {
            var recipient = send.Recipient ?? s_bob;
            var sender = (send.Sender ?? s_alice).UserId;
            // An open send keeps the caller's memory: one content for all, so that it does not count.
            if (_content.Length != send.Bytes) _content = new byte[send.Bytes];
            var message = new ToDeviceMessage(recipient, sender, send.EventType, _content, _number);
            if (send.Messages > 0) await _inbox.AppendAsync(transaction, Enumerable.Repeat(message, send.Messages).ToArray(), default);
            if (send.Destination is not null)
                await _outbox.AppendAsync(transaction, [new OutboundEdu(send.Destination, $"message{_number}", new byte[300])], default);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static async Task<bool> TryCommitAsync(IToDeviceTransaction transaction)
    {
        try
        {
            return await transaction.CommitAsync(default) == CommitResult.Committed;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }
}
