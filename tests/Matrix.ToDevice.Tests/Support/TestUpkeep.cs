using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>A store's upkeep that says what a test has it say.</summary>
internal sealed class TestUpkeep : IStoreUpkeep
{
    private int _measured;

    /// <summary>What waits.</summary>
    public Func<CancellationToken, Task<StoreStatistics>> Measure { get; set; } = _ => Task.FromResult(Nothing);

    /// <summary>How the store is.</summary>
    public Func<CancellationToken, Task<string?>> Check { get; set; } = _ => Task.FromResult<string?>(null);

    /// <summary>How often it was measured.</summary>
    public int Measured => Volatile.Read(ref _measured);

    public static StoreStatistics Nothing { get; } = new(0, 0, 0, null, default, default);

    /// <summary>Puts it in the place of the store's own, if it has one.</summary>
    public void Add(ISendToDeviceBuilder builder) => builder.Services.Replace(ServiceDescriptor.Singleton<IStoreUpkeep>(this));

    public async ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _measured);
        return await Measure(cancellationToken);
    }

    public ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(
        IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken) => new(new InboxSize[devices.Count]);

    public ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken) => new(false);

    public ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken) => new(0);

    public ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken) => new(true);

    public async ValueTask<string?> CheckAsync(CancellationToken cancellationToken) => await Check(cancellationToken);
}
