using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>One send of a <see cref="MemoryLoad"/>.</summary>
internal sealed record MemorySend(
    DeviceAddress? Sender = null, DeviceAddress? Recipient = null, string EventType = "m.room.encrypted", int Messages = 1, int Bytes = 2,
    string? Destination = null);

/// <summary>An in-memory store, and sends that fill it.</summary>
internal sealed class MemoryLoad : IAsyncDisposable
{
    public static readonly DeviceAddress Alice = new("@alice:hs1", "A1"), Bob = new("@bob:hs1", "B1");

    private readonly ServiceProvider _services;
    private readonly List<IToDeviceTransaction> _open = [];
    private readonly Dictionary<DeviceAddress, InboxPosition> _last = [];
    private byte[] _content = [];
    private int _number;

    public MemoryLoad(long capacity, TimeProvider? time = null)
    {
        Capacity = capacity;
        var services = new ServiceCollection();
        services.AddSingleton(time ?? TimeProvider.System).AddSendToDevice().UseInMemory(options => options.CapacityBytes = capacity);
        _services = services.BuildServiceProvider();
        Transactions = _services.GetRequiredService<ITransactionStore>();
        Inbox = _services.GetRequiredService<IDeviceInbox>();
        Outbox = _services.GetRequiredService<IFederationOutbox>();
        Upkeep = _services.GetRequiredService<IStoreUpkeep>();
    }

    public long Capacity { get; }
    public ITransactionStore Transactions { get; }
    public IDeviceInbox Inbox { get; }
    public IFederationOutbox Outbox { get; }
    public IStoreUpkeep Upkeep { get; }

    /// <summary>Sends until the store refuses, and no more than so many; returns how many it took.</summary>
    public async Task<int> SendAsync(int atMost, Func<int, MemorySend> make, Func<MemorySend, Task>? then = null)
    {
        for (var n = 0; n < atMost; n++)
        {
            var send = make(n);
            await using var transaction = await BeginAsync(send);
            if (!await TryAppendAsync(transaction, send) || !await TryCommitAsync(transaction)) return n;

            // What this load remembers is not what is measured: of many devices, only those that acknowledge.
            if (send.Messages > 0 && (send.Recipient is null || then is not null))
            {
                var recipient = send.Recipient ?? Bob;
                _last[recipient] = new InboxPosition(_last.GetValueOrDefault(recipient).Sequence + send.Messages, _number);
            }

            if (then is not null) await then(send);
        }

        return atMost;
    }

    /// <summary>Sends to Bob until the store refuses, and returns how many it took.</summary>
    public Task<int> FillAsync(int bytes) => SendAsync(int.MaxValue, _ => new(Bytes: bytes));

    /// <summary>Begins sends until the store refuses, and ends none; returns how many are open.</summary>
    public async Task<int> OpenAsync(int atMost, int bytes)
    {
        for (var n = 0; n < atMost; n++)
        {
            var transaction = await BeginAsync(new());
            _open.Add(transaction);
            if (!await TryAppendAsync(transaction, new(Bytes: bytes))) return n;
        }

        return atMost;
    }

    /// <summary>Ends the sends that are open.</summary>
    public async Task AbandonAsync()
    {
        foreach (var transaction in _open) await transaction.DisposeAsync();
        _open.Clear();
    }

    /// <summary>A device takes all that it got.</summary>
    public async Task<int> AcknowledgeAsync(DeviceAddress device)
    {
        var last = _last.GetValueOrDefault(device);
        if (device != Bob) _last.Remove(device);
        return await Inbox.AcknowledgeAsync(device, last, default);
    }

    /// <summary>Forgets all records of sends.</summary>
    public async Task PurgeAsync() => await Transactions.PurgeAsync(TransactionKey.SendToDevice, DateTimeOffset.MaxValue, int.MaxValue, default);

    public async Task<IToDeviceTransaction> BeginAsync(MemorySend send)
    {
        var (userId, deviceId) = send.Sender ?? Alice;
        var key = new TransactionKey(userId, deviceId, TransactionKey.SendToDevice, send.EventType, $"{++_number}");
        return (await Transactions.BeginAsync(key, Transactions.KnownRemovals, default))!;
    }

    public async Task<bool> TryAppendAsync(IToDeviceTransaction transaction, MemorySend send)
    {
        try
        {
            // An open send keeps the caller's memory: one content for all, so that it does not count.
            if (_content.Length != send.Bytes) _content = new byte[send.Bytes];
            var message = new ToDeviceMessage(send.Recipient ?? Bob, (send.Sender ?? Alice).UserId, send.EventType, _content, _number);
            if (send.Messages > 0) await Inbox.AppendAsync(transaction, Enumerable.Repeat(message, send.Messages).ToArray(), default);
            if (send.Destination is not null)
                await Outbox.AppendAsync(transaction, [new OutboundEdu(send.Destination, $"message{_number}", new byte[300])], default);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await AbandonAsync();
        await _services.DisposeAsync();
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
