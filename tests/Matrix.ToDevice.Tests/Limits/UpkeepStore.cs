using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests.Limits;

/// <summary>What the server's store does beside messages, with a place to stop or to fail it; and it counts how often it is asked.</summary>
internal sealed class UpkeepStore(IStoreUpkeep upkeep) : IStoreUpkeep
{
    private int _measured, _asked;

    /// <summary>How often inboxes were measured.</summary>
    public int Measured => Volatile.Read(ref _measured);

    /// <summary>Up to where inboxes were measured, last.</summary>
    public InboxSize UpTo { get; private set; }

    /// <summary>How often it was asked for a key.</summary>
    public int Asked => Volatile.Read(ref _asked);

    /// <summary>Runs before inboxes are measured, with the number of the call.</summary>
    public Action<int> BeforeMeasure { get; set; } = _ => { };

    /// <summary>Who gets a task of upkeep.</summary>
    public Func<string, bool> MayTake { get; set; } = _ => true;

    /// <summary>How many messages each call has deleted.</summary>
    public ConcurrentQueue<int> Expired { get; } = new();

    public static void Add(ISendToDeviceBuilder builder)
    {
        builder.Services.AddSingleton(provider => new UpkeepStore((IStoreUpkeep)provider.GetRequiredService<ITransactionStore>()));
        builder.Services.Replace(ServiceDescriptor.Singleton<IStoreUpkeep>(provider => provider.GetRequiredService<UpkeepStore>()));
    }

    public static UpkeepStore Of(TestHomeserver server) => server.Services.GetRequiredService<UpkeepStore>();

    public ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken) => upkeep.MeasureAsync(cancellationToken);

    public ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(
        IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken)
    {
        UpTo = upTo;
        BeforeMeasure(Interlocked.Increment(ref _measured));
        return upkeep.MeasureAsync(devices, upTo, cancellationToken);
    }

    public ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _asked);
        return upkeep.IsCommittedAsync(key, cancellationToken);
    }

    public async ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken)
    {
        var deleted = await upkeep.ExpireAsync(committedBefore, atMost, cancellationToken);
        Expired.Enqueue(deleted);
        return deleted;
    }

    public ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken) => new(MayTake(task));

    public ValueTask<string?> CheckAsync(CancellationToken cancellationToken) => upkeep.CheckAsync(cancellationToken);
}
