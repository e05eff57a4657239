using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

/// <summary>Forgets transaction records that nobody has used for their retention time, in bounded batches (D5).</summary>
internal sealed class TransactionPurge(
    IServiceScopeFactory scopes, ToDeviceMetrics metrics, IOptions<SendToDeviceOptions> options, TimeProvider time,
    QuietLogger<TransactionPurge> logger)
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
                await PurgeAsync(TransactionKey.SendToDevice, options.Value.TransactionRetention, stoppingToken);
                await PurgeAsync(TransactionKey.DirectToDevice, options.Value.InboundRetention, stoppingToken);
                metrics.UpkeepRan(isDone: true);
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                metrics.UpkeepRan(isDone: false);
                Log.PurgeFailed(logger, exception);
            }
        }
    }

    private async Task PurgeAsync(string endpoint, TimeSpan retention, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        if (scope.ServiceProvider.GetService<ITransactionStore>() is not { } store) return;

        var transactions = new CountedTransactions(store, metrics);
        var lastUsedBefore = time.GetUtcNow() - retention;
        var total = 0;
        int purged;
        do
        {
            purged = await transactions.PurgeAsync(endpoint, lastUsedBefore, BatchSize, cancellationToken);
            metrics.Purged(purged);
            total += purged;
        }
        while (purged >= BatchSize);

        if (total > 0) Log.Purged(logger, total);
    }
}
