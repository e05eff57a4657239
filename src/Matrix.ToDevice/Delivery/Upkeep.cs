using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>
/// Forgets transaction records that nobody has used for their retention time (D5), and deletes messages that have waited for too long: in
/// bounded batches, and on one of the hosts that share a store, when the store can tell which.
/// </summary>
internal sealed class Upkeep(
    IServiceScopeFactory scopes, CurrentOptions options, ToDeviceMetrics metrics, TimeProvider time, QuietLogger<Upkeep> logger)
    : BackgroundService
{
    private const int BatchSize = 1000;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.PurgeInterval, time);
        // A timer that is disposed ends the loop by itself; a cancelled one would end it with an error in the host's log.
        using var stop = stoppingToken.Register(timer.Dispose);
        while (await timer.WaitForNextTickAsync(CancellationToken.None))
        {
            try
            {
                await RunAsync(PurgeAsync, "purge", stoppingToken);
                if (options.Value.MessageExpiry is not null) await RunAsync(ExpireAsync, "expire", stoppingToken);
                // It may have been set anew.
                if (timer.Period != options.Value.PurgeInterval) timer.Period = options.Value.PurgeInterval;
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>Runs a task if it is this host's turn. One that fails is tried at the next interval, by whoever takes it then.</summary>
    private async Task RunAsync(Func<IServiceProvider, CancellationToken, Task> run, string task, CancellationToken cancellationToken)
    {
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            // Timers are not exact: who comes a little early would leave it for twice as long.
            var interval = options.Value.PurgeInterval * 0.9;
            if (UpkeepOf(scope.ServiceProvider) is { } upkeep && !await upkeep.TryTakeAsync(task, interval, cancellationToken)) return;
            await run(scope.ServiceProvider, cancellationToken);
            metrics.UpkeepRan(isDone: true);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            metrics.UpkeepRan(isDone: false);
            Log.PurgeFailed(logger, exception);
        }
    }

    private async Task PurgeAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        if (services.GetService<ITransactionStore>() is not { } store) return;

        var transactions = new CountedTransactions(store, metrics);
        var (now, retention) = (time.GetUtcNow(), options.Value);
        var purged = await InBatchesAsync(
            atMost => transactions.PurgeAsync(TransactionKey.SendToDevice, now - retention.TransactionRetention, atMost, cancellationToken), metrics.Purged);
        purged += await InBatchesAsync(
            atMost => transactions.PurgeAsync(TransactionKey.DirectToDevice, now - retention.InboundRetention, atMost, cancellationToken), metrics.Purged);
        if (purged > 0) Log.Purged(logger, purged);
    }

    private async Task ExpireAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        if (UpkeepOf(services) is not { } upkeep || options.Value.MessageExpiry is not { } expiry) return;

        var before = time.GetUtcNow() - expiry;
        var expired = await InBatchesAsync(atMost => upkeep.ExpireAsync(before, atMost, cancellationToken), metrics.Expired);
        if (expired > 0) Log.Dropped(logger, expired, DropReason.Expired);
    }

    private CountedUpkeep? UpkeepOf(IServiceProvider services) =>
        services.GetService<IStoreUpkeep>() is { } upkeep ? new CountedUpkeep(upkeep, metrics) : null;

    /// <summary>Until no more are due. Between two batches, sends and syncs have their turn.</summary>
    private static async Task<int> InBatchesAsync(Func<int, ValueTask<int>> delete, Action<int> count)
    {
        var total = 0;
        while (true)
        {
            var deleted = await delete(BatchSize);
            count(deleted);
            total += deleted;
            if (deleted < BatchSize) return total;
            await Task.Yield();
        }
    }
}
