using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>Sends to one destination what waits for it: in order, one transaction at a time, each until it is received (R84, D16).</summary>
internal sealed class DestinationSender(
    OutboxLease lease,
    string holder,
    IFederationOutbox outbox,
    IFederationTransport transport,
    FederationSenderOptions options,
    ToDeviceMetrics metrics,
    TimeProvider time,
    ILogger logger)
{
    // How many EDUs behind a refused one are tried after the first failure; twice as many after each further one.
    private const int FirstTries = 4;

    // With fewer failures before it, a denial is taken for a passing one: keys that are not known yet, mostly. About 15 seconds.
    private const int PassingFailures = 4;

    // How often an EDU has to be denied again, by itself, when the destination has just taken another one. One of several hosts behind
    // its name may have a trouble that the others have not.
    private const int DenialsThatCount = 5;

    private readonly string _destination = lease.Destination;
    private int _failures = lease.Failures;

    // The transaction that was tried last, perhaps by another host, is tried again as it was.
    private long _sendingUpTo = lease.SendingUpTo;
    private int _maxEdus = options.MaxEdus;

    // Once it has denied things for long enough.
    private bool _denialsAreRefusals;

    /// <summary>Sends until nothing waits, the destination fails or somebody else has taken it, and gives it back.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        var pause = TimeSpan.Zero;
        try
        {
            pause = await DrainAsync(stopping);
        }
        catch (Exception) when (stopping.IsCancellationRequested)
        {
            // Whether it was received, the next one finds out: it repeats the transaction as it was.
        }
        catch (LeaseLostException)
        {
            Log.LeaseLost(logger, _destination);
            return;
        }
        catch (Exception exception)
        {
            Log.OutboxUnavailable(logger, exception);
            pause = NextPause(null);
        }

        await outbox.ReleaseAsync(_destination, holder, _failures, pause, CancellationToken.None);
    }

    /// <returns>How long to leave the destination alone.</returns>
    private async Task<TimeSpan> DrainAsync(CancellationToken stopping)
    {
        while (true)
        {
            var waiting = await ReadAsync(stopping);
            if (waiting.Count == 0) return TimeSpan.Zero;

            var count = OutgoingTransaction.CountOf(waiting, _sendingUpTo, _maxEdus, options.MaxTransactionBytes);
            var result = await SendAsync(waiting, 0, count, stopping);
            if (result.Outcome == FederationSendOutcome.Received)
            {
                await RemoveAsync(waiting, count, stopping);
                _maxEdus = Math.Min(options.MaxEdus, 2 * _maxEdus);
            }
            else if (IsRefusal(result) && count > 1)
            {
                Log.TransactionSplit(logger, _destination, count, result.Reason);
                (_maxEdus, _sendingUpTo) = (count / 2, 0);
            }
            else if (!IsRefusal(result) || !await PassOverFirstAsync(waiting, result.Reason, stopping))
            {
                var pause = NextPause(result.RetryAfter);
                Log.SendFailed(logger, _destination, result.Reason, _failures, pause);
                return pause;
            }
        }
    }

    /// <summary>What waits, without what is too old: that is given up.</summary>
    private async Task<IReadOnlyList<OutboxEntry>> ReadAsync(CancellationToken stopping)
    {
        while (true)
        {
            var waiting = await outbox.ReadAsync(_destination, 0, options.MaxEdus, stopping);
            if (options.Expiry is not { } expiry || waiting.Count == 0) return waiting;

            var tooOld = time.GetUtcNow() - expiry;
            var expired = waiting.TakeWhile(edu => edu.CommittedAt < tooOld).ToList();
            if (expired.Count == 0) return waiting;

            await outbox.RemoveAsync(_destination, expired, stopping);
            GiveUp(expired, "expired", "Its time was over.");
        }
    }

    /// <summary>
    /// The destination refuses the first EDU by itself. That EDU is given up if the destination takes one behind it and refuses
    /// this one once more; one that refuses everything has a trouble of its own, and nothing is given up.
    /// </summary>
    private async Task<bool> PassOverFirstAsync(IReadOnlyList<OutboxEntry> waiting, string reason, CancellationToken stopping)
    {
        var rounds = _denialsAreRefusals ? _failures - PassingFailures : _failures;
        var tries = Math.Min(waiting.Count - 1, FirstTries << Math.Clamp(rounds, 0, 5));
        for (var next = 1; next <= tries; next++)
        {
            var result = await SendAsync(waiting, next, 1, stopping);
            if (IsRefusal(result)) continue;
            if (result.Outcome != FederationSendOutcome.Received) return false;

            List<OutboxEntry> refused = [];
            for (var before = 0; before < next; before++)
            {
                var again = await SendAgainAsync(waiting, before, stopping);
                if (IsRefusal(again)) refused.Add(waiting[before]);
                else if (again.Outcome != FederationSendOutcome.Received) return false;
            }

            await RemoveAsync(waiting, next + 1, stopping, refused.Count);
            GiveUp(refused, "refused", reason);
            return true;
        }

        return false;
    }

    private async Task<FederationSendResult> SendAgainAsync(IReadOnlyList<OutboxEntry> waiting, int first, CancellationToken stopping)
    {
        for (var denials = 1; ; denials++)
        {
            var result = await SendAsync(waiting, first, 1, stopping);
            if (result.Outcome != FederationSendOutcome.Denied || denials == DenialsThatCount) return result;
        }
    }

    private bool IsRefusal(FederationSendResult result)
    {
        if (result.Outcome != FederationSendOutcome.Denied) return result.Outcome == FederationSendOutcome.Refused;
        // Until it has nothing more or fails: a transaction that it takes meanwhile tells that it is not the keys.
        return _denialsAreRefusals |= _failures >= PassingFailures;
    }

    private async Task RemoveAsync(IReadOnlyList<OutboxEntry> waiting, int count, CancellationToken stopping, int refused = 0)
    {
        await outbox.RemoveAsync(_destination, [.. waiting.Take(count)], stopping);
        metrics.EdusSent(count - refused);
        (_failures, _sendingUpTo) = (0, 0);
    }

    private async Task<FederationSendResult> SendAsync(
        IReadOnlyList<OutboxEntry> waiting, int first, int count, CancellationToken stopping)
    {
        // The note names what stands at the head: an EDU behind a refused one is no part of that.
        var sendingUpTo = waiting[first == 0 ? count - 1 : 0].Position;
        // It begins before the store is asked for it: the store's own is never over earlier.
        using var held = new CancellationTokenSource(options.LeaseDuration, time);
        if (!await outbox.RenewAsync(_destination, holder, options.LeaseDuration, sendingUpTo, stopping)) throw new LeaseLostException();

        var started = time.GetTimestamp();
        using var timeout = new CancellationTokenSource(options.SendTimeout, time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping, timeout.Token, held.Token);
        var keeping = KeepAsync(sendingUpTo, held, ending.Token);
        FederationSendResult result;
        try
        {
            var transaction = OutgoingTransaction.Of(_destination, [.. waiting.Skip(first).Take(count)]);
            result = await transport.SendAsync(transaction, ending.Token);
        }
        catch (Exception) when (stopping.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception) when (held.IsCancellationRequested)
        {
            throw new LeaseLostException();
        }
        catch (Exception exception)
        {
            result = FederationSendResult.Failed(timeout.IsCancellationRequested ? "There was no answer in time." : exception.Message);
        }
        finally
        {
            await ending.CancelAsync();
            await keeping;
        }

        metrics.TransactionSent(time.GetElapsedTime(started), result.Outcome);
        return result;
    }

    /// <summary>Keeps the destination while its answer is waited for, and ends the wait when it cannot be kept.</summary>
    private async Task KeepAsync(long sendingUpTo, CancellationTokenSource held, CancellationToken ending)
    {
        using var timer = new PeriodicTimer(options.LeaseDuration / 3, time);
        while (true)
        {
            try
            {
                await timer.WaitForNextTickAsync(ending);
                var asked = time.GetTimestamp();
                if (await outbox.RenewAsync(_destination, holder, options.LeaseDuration, sendingUpTo, ending))
                {
                    var left = options.LeaseDuration - time.GetElapsedTime(asked);
                    held.CancelAfter(left > TimeSpan.Zero ? left : TimeSpan.Zero);
                }
                else
                {
                    await held.CancelAsync();
                }
            }
            catch (Exception) when (ending.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                // The store may be back before the lease is over.
                Log.OutboxUnavailable(logger, exception);
            }
        }
    }

    private TimeSpan NextPause(TimeSpan? retryAfter)
    {
        _failures++;
        var pause = Math.Min(options.MinPause.TotalMilliseconds * Math.Pow(2, Math.Min(_failures - 1, 40)), options.MaxPause.TotalMilliseconds);
        pause *= 0.75 + (Random.Shared.NextDouble() / 2);
        if (retryAfter is { } asked) pause = Math.Max(pause, asked.TotalMilliseconds);
        return TimeSpan.FromMilliseconds(Math.Min(pause, options.MaxPause.TotalMilliseconds));
    }

    private void GiveUp(IEnumerable<OutboxEntry> edus, string why, string reason)
    {
        foreach (var edu in edus)
        {
            metrics.EduGivenUp(why);
            Log.EduGivenUp(logger, edu.MessageId, _destination, reason);
        }
    }

    private sealed class LeaseLostException : Exception;
}
