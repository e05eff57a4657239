using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice;

/// <summary>The last measurement of what waits in the store. There is one at a time, however many ask, and however long the store takes.</summary>
internal sealed class LatestStatistics(IServiceScopeFactory scopes, ToDeviceMetrics metrics, TimeProvider time)
{
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private volatile StatisticsSample? _latest;
    private Task<StatisticsSample?>? _running;

    /// <summary>The last one, unless it is older.</summary>
    public StatisticsSample? Get(TimeSpan notOlderThan) =>
        _latest is { } latest && time.GetElapsedTime(latest.Timestamp) <= notOlderThan ? latest : null;

    /// <summary>Measures; null when the store cannot.</summary>
    /// <exception cref="TimeoutException">The store did not answer in time.</exception>
    public async Task<StatisticsSample?> MeasureAsync(CancellationToken cancellationToken)
    {
        Task<StatisticsSample?> running;
        lock (_lock)
        {
            // On its own: whoever has asked first may go, and the store may not look at its token.
            if (_running is not { IsCompleted: false }) _running = Task.Run(MeasureOnceAsync, CancellationToken.None);
            running = _running;
        }

        return await running.WaitAsync(s_longest, time, cancellationToken);
    }

    private async Task<StatisticsSample?> MeasureOnceAsync()
    {
        await using var scope = scopes.CreateAsyncScope();
        if (scope.ServiceProvider.GetService<IStoreUpkeep>() is not { } upkeep) return null;

        using var limit = new CancellationTokenSource(s_longest, time);
        try
        {
            return _latest = new StatisticsSample(await upkeep.MeasureAsync(limit.Token), time.GetUtcNow(), time.GetTimestamp());
        }
        catch (Exception exception) when (metrics.StoreFailed(StoreOperation.Measure, exception, CancellationToken.None))
        {
            throw;
        }
    }
}

/// <summary>What waited in the store at a moment.</summary>
internal sealed record StatisticsSample(StoreStatistics Store, DateTimeOffset At, long Timestamp)
{
    /// <summary>How old something was at that moment; nothing is as old as nothing. The store's clock may be ahead of this host's.</summary>
    public TimeSpan AgeOf(DateTimeOffset? committed) => committed is { } moment && At > moment ? At - moment : TimeSpan.Zero;
}
