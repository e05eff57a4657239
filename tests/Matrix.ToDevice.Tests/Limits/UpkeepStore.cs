using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>The server's store, which also tells how much waits and since when, by the server's clock; and counts how often it is asked.</summary>
internal sealed class UpkeepStore(ITransactionStore transactions, IDeviceInbox inbox, TimeProvider time) : ITransactionStore, IDeviceInbox, IStoreUpkeep
{
    private readonly ConcurrentDictionary<long, DateTimeOffset> _committed = new();
    private readonly ConcurrentDictionary<DeviceAddress, bool> _devices = new();
    private int _measured, _asked;

    /// <summary>How often inboxes were measured.</summary>
    public int Measured => Volatile.Read(ref _measured);

    /// <summary>How often it was asked for a key.</summary>
    public int Asked => Volatile.Read(ref _asked);

    /// <summary>Runs before inboxes are measured, with the number of the call.</summary>
    public Action<int> BeforeMeasure { get; set; } = _ => { };

    /// <summary>Who gets a task of upkeep.</summary>
    public Func<string, bool> MayTake { get; set; } = _ => true;

    /// <summary>The most messages and records that were to be deleted in one call, of each.</summary>
    public ConcurrentQueue<(string Task, int Deleted)> Deleted { get; } = new();

    /// <summary>Runs before records are purged.</summary>
    public Action BeforePurge { get; set; } = () => { };

    public long KnownRemovals => transactions.KnownRemovals;

    public static void Add(ISendToDeviceBuilder builder)
    {
        var services = builder.Services;
        var original = services.Last(descriptor => descriptor.ServiceType == typeof(ITransactionStore)).ImplementationFactory!;
        services.AddSingleton(provider =>
        {
            var store = original(provider);
            return new UpkeepStore((ITransactionStore)store, (IDeviceInbox)store, provider.GetRequiredService<TimeProvider>());
        });
        services.Replace(ServiceDescriptor.Singleton<ITransactionStore>(provider => provider.GetRequiredService<UpkeepStore>()));
        services.Replace(ServiceDescriptor.Singleton<IDeviceInbox>(provider => provider.GetRequiredService<UpkeepStore>()));
        services.Replace(ServiceDescriptor.Singleton<IStoreUpkeep>(provider => provider.GetRequiredService<UpkeepStore>()));
    }

    public static UpkeepStore Of(TestHomeserver server) => server.Services.GetRequiredService<UpkeepStore>();

    public ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken) =>
        transactions.BeginAsync(key, knownRemovals, cancellationToken);

    public ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken)
    {
        BeforePurge();
        return transactions.PurgeAsync(endpoint, lastUsedBefore, atMost, cancellationToken);
    }

    public ValueTask AppendAsync(IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken)
    {
        foreach (var message in messages)
        {
            _committed[message.SendId] = time.GetUtcNow();
            _devices[message.Recipient] = true;
        }

        return inbox.AppendAsync(transaction, messages, cancellationToken);
    }

    public async ValueTask<InboxPage> ReadAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken)
    {
        var page = await inbox.ReadAsync(device, after, limit, maxBytes, cancellationToken);
        return page.Messages.Count == 0 ? page : new InboxPage(
            [.. page.Messages.Select(message => message with { CommittedAt = _committed[message.Position.SendId] })], page.HasMore, page);
    }

    public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken) =>
        inbox.AcknowledgeAsync(device, upTo, cancellationToken);

    public ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) =>
        inbox.RemoveDeviceAsync(device, cancellationToken);

    public async ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(
        IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken)
    {
        BeforeMeasure(Interlocked.Increment(ref _measured));
        var sizes = new List<InboxSize>();
        foreach (var device in devices)
        {
            using var page = await inbox.ReadAsync(device, InboxPosition.Start, 10_000, int.MaxValue, cancellationToken);
            sizes.Add(new InboxSize(page.Messages.Count, page.Messages.Sum(message => (long)message.Content.Length)));
        }

        return sizes;
    }

    // In memory, what was committed is known at once.
    public async ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _asked);
        await using var transaction = await transactions.BeginAsync(key, KnownRemovals, cancellationToken);
        return transaction is null;
    }

    public async ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken)
    {
        var deleted = 0;
        foreach (var device in _devices.Keys)
        {
            using var page = await ReadAsync(device, InboxPosition.Start, atMost, int.MaxValue, cancellationToken);
            var old = page.Messages.TakeWhile(message => message.CommittedAt < committedBefore).Take(atMost - deleted).ToList();
            if (old.Count > 0) deleted += await AcknowledgeAsync(device, old[^1].Position, cancellationToken);
        }

        Deleted.Enqueue(("expire", deleted));
        return deleted;
    }

    public ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken) => new(MayTake(task));

    public ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<string?> CheckAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
}
