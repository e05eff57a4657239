using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>
/// Sends to one appservice what waits for it: in order, one transaction at a time, each until it is received. A transaction that was
/// tried is repeated as it was for as long as it takes: it is neither split nor passed over (R105).
/// </summary>
internal sealed class AppserviceQueue(
    Appservice appservice,
    OutboxLease lease,
    string holder,
    int failures,
    IFederationOutbox outbox,
    IAppserviceTransport transport,
    AppserviceOptions options,
    ToDeviceMetrics metrics,
    ToDeviceTraces traces,
    TimeProvider time,
    ILogger logger)
{
    // The same on every host: one that repeats a transaction has to read all of it.
    private const int MaxEntries = 100;

    // From then on it is something for who runs the server: about half a minute.
    private const int LastingFailures = 5;

    private readonly string _destination = lease.Destination;
    private readonly HeldDestination _held = new(lease.Destination, holder, options.LeaseDuration, outbox, time, logger);

    // The transaction that was tried last, perhaps by another host, is tried again as it was.
    private long _sendingUpTo = lease.SendingUpTo;

    /// <summary>How many times in a row it has failed.</summary>
    public int Failures { get; private set; } = failures;

    /// <summary>Sends until nothing waits, the appservice fails or another host has taken the queue, and gives it back.</summary>
    public Task RunAsync(CancellationToken stopping) =>
        // Without failures, so that it can be taken by name when the pause is over.
        _held.DrainAsync(DrainAsync, failures: () => 0, options.MinPause, stopping);

    /// <returns>How long to leave the appservice alone.</returns>
    private async Task<TimeSpan> DrainAsync(CancellationToken stopping)
    {
        while (true)
        {
            await GiveUpOldAsync(stopping);
            var waiting = await outbox.ReadAsync(_destination, after: 0, MaxEntries, stopping);
            if (waiting.Count == 0) return TimeSpan.Zero;

            var count = OutgoingTransaction.CountOf(waiting, _sendingUpTo, MaxEntries, options.MaxTransactionBytes);
            List<OutboxEntry> entries = [.. waiting.Take(count)];
            var result = await _held.SendAsync(entries[^1].Position, held => SendInTimeAsync(entries, held), stopping);
            if (!result.IsReceived)
            {
                Failures++;
                var pause = Pauses.After(Failures, options.MinPause, options.MaxPause, result.RetryAfter);
                Log.PushFailed(logger, Failures < LastingFailures ? LogLevel.Information : LogLevel.Warning, appservice.Id, result.Reason, Failures, pause);
                return pause;
            }

            await outbox.RemoveAsync(_destination, entries, stopping);
            (Failures, _sendingUpTo) = (0, 0);
        }
    }

    private async Task<AppserviceSendResult> SendInTimeAsync(List<OutboxEntry> entries, CancellationToken held)
    {
        using var span = traces.Push(appservice.Id, entries);
        var started = time.GetTimestamp();
        using var timeout = new CancellationTokenSource(options.SendTimeout, time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(held, timeout.Token);
        AppserviceSendResult result;
        try
        {
            result = await transport.SendAsync(
                new AppserviceTransaction(appservice.Id, OutgoingTransaction.IdOf(entries), entries), ending.Token);
        }
        catch (Exception exception) when (!held.IsCancellationRequested)
        {
            result = AppserviceSendResult.Failed(timeout.IsCancellationRequested ? "There was no answer in time." : exception.Message);
        }

        metrics.PushedTo(time.GetElapsedTime(started), result.IsReceived);
        span.End(result.IsReceived ? "received" : "failed", isError: !result.IsReceived);
        return result;
    }

    /// <summary>Gives up what is too old and was never tried: what was, the appservice may have.</summary>
    private async Task GiveUpOldAsync(CancellationToken stopping)
    {
        if (options.Expiry is not { } expiry) return;

        while (true)
        {
            var now = time.GetUtcNow();
            var waiting = await outbox.ReadAsync(_destination, _sendingUpTo, MaxEntries, stopping);
            var old = waiting.TakeWhile(entry => now - entry.CommittedAt > expiry).ToList();
            if (old.Count == 0) return;

            await outbox.RemoveAsync(_destination, old, stopping);
            foreach (var entry in old)
            {
                metrics.PushGivenUp();
                Log.PushGivenUp(logger, entry.MessageId, appservice.Id);
            }
        }
    }
}
