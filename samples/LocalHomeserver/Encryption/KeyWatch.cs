namespace LocalHomeserver;

/// <summary>
/// Finds out what other hosts have changed, by looking every second: one small query for all syncs that wait on this host.
/// Being told by the database would be quicker, and one more connection to keep alive; this is for trials.
/// </summary>
internal sealed partial class KeyWatch(KeyChanges changes, IKeyDatabase database, TimeProvider clock, ILogger<KeyWatch> logger)
    : BackgroundService
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!database.IsShared) return;

        var seen = 0L;
        using var timer = new PeriodicTimer(s_interval, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                var position = await changes.PositionAsync(stoppingToken);
                if (position != seen) changes.Signal();
                seen = position;
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(logger, e.Message);
            }
        }
    }

    [LoggerMessage(5, LogLevel.Warning, "Cannot look for changes of keys: {Reason}")]
    private static partial void LogFailed(ILogger logger, string reason);
}
