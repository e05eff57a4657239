using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>Measures what waits in the store, now and then, while somebody wants to know.</summary>
internal sealed class StatisticsSampler(
    LatestStatistics latest, StatisticsGauges gauges, ToDeviceMetrics metrics, CurrentOptions options, TimeProvider time,
    QuietLogger<StatisticsSampler> logger, IHostApplicationLifetime? lifetime = null) : BackgroundService
{
    public override Task StartAsync(CancellationToken cancellationToken)
    {
        metrics.Announce();
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Value.StatisticsInterval is not { } interval || !await HasStartedAsync(stoppingToken)) return;

        using var timer = new PeriodicTimer(interval, time);
        // A timer that is disposed ends the loop by itself; a cancelled one would end it with an error in the host's log.
        using var stop = stoppingToken.Register(timer.Dispose);
        do
        {
            try
            {
                if (options.Value.StatisticsInterval is not { } next) continue;
                // It may have been set anew.
                if (timer.Period != next) timer.Period = next;
                if (gauges.AreWatched) await latest.MeasureAsync(stoppingToken);
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                Log.NotMeasured(logger, exception);
            }
        }
        while (await timer.WaitForNextTickAsync(CancellationToken.None));
    }

    /// <summary>A store that keeps the host from starting says so itself. False when it has not started.</summary>
    private async Task<bool> HasStartedAsync(CancellationToken stoppingToken)
    {
        if (lifetime is null) return true;

        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var started = lifetime.ApplicationStarted.Register(() => done.TrySetResult());
        using var stopped = stoppingToken.Register(() => done.TrySetResult());
        await done.Task;
        return !stoppingToken.IsCancellationRequested;
    }
}
