using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice;

/// <summary>The last measurement of what waits in the store. There is one at a time, however many ask, and however long the store takes.</summary>
internal sealed class LatestStatistics(IServiceScopeFactory scopes, ToDeviceMetrics metrics, TimeProvider time)
{
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(30);

    private readonly SharedRun<StatisticsSample?> _run = new();
    private volatile StatisticsSample? _latest;

    /// <summary>The last one, unless it is older.</summary>
    public StatisticsSample? Get(TimeSpan notOlderThan) =>
        _latest is { } latest && time.GetElapsedTime(latest.Timestamp) <= notOlderThan ? latest : null;

    /// <summary>Measures; null when the store cannot.</summary>
    /// <exception cref="TimeoutException">The store did not answer in time.</exception>
    public Task<StatisticsSample?> MeasureAsync(CancellationToken cancellationToken) =>
        _run.JoinOrStart(MeasureOnceAsync).WaitAsync(s_longest, time, cancellationToken);

    private async Task<StatisticsSample?> MeasureOnceAsync()
    {
        await using var scope = scopes.CreateAsyncScope();
        if (scope.ServiceProvider.GetService<IStoreUpkeep>() is not { } upkeep) return null;

        using var limit = new CancellationTokenSource(s_longest, time);
        var statistics = await new CountedUpkeep(upkeep, metrics).MeasureAsync(limit.Token);
        return _latest = new StatisticsSample(statistics, time.GetUtcNow(), time.GetTimestamp());
    }
}

/// <summary>What waited in the store at a moment.</summary>
internal sealed record StatisticsSample(StoreStatistics Store, DateTimeOffset At, long Timestamp)
{
    /// <summary>How old something was at that moment; nothing is as old as nothing. The store's clock may be ahead of this host's.</summary>
    public TimeSpan AgeOf(DateTimeOffset? committed) => committed is { } moment && At > moment ? At - moment : TimeSpan.Zero;
}
