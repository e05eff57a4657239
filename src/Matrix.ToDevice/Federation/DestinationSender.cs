using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>Sends to one destination what waits for it: in order, one transaction at a time, each until it is received (R84, D16).</summary>
internal sealed class DestinationSender(
    OutboxLease lease,
    HeldDestination held,
    DestinationRequests requests,
    IFederationOutbox outbox,
    FederationSenderOptions options,
    ToDeviceMetrics metrics,
    TimeProvider time,
    ILogger logger)
{
    // How many EDUs behind a refused one are tried after the first failure; twice as many after each further one, up to so many.
    private const int FirstTries = 4;
    private const int Doublings = 10;

    // As many as another host may have put into a transaction that is repeated, whatever this one would.
    private const int PageSize = InboundTransaction.MaxEdus;

    // With fewer failures before it, a denial is taken for a passing one: keys that are not known yet, mostly. About 15 seconds.
    private const int PassingFailures = 4;

    // With fewer failures in a row, a destination is not taken for unreachable, however old its mail is: it may just have come back, or
    // this host may have. About 45 minutes.
    private const int UnreachableFailures = 16;

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
    public Task RunAsync(CancellationToken stopping) => held.DrainAsync(DrainAsync, () => _failures, options.MinPause, stopping);

    /// <returns>How long to leave the destination alone.</returns>
    private async Task<TimeSpan> DrainAsync(CancellationToken stopping)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            var waiting = await ReadAsync(stopping);
            if (waiting.Count == 0) return TimeSpan.Zero;

            var count = OutgoingTransaction.CountOf(waiting, _sendingUpTo, _maxEdus, options.MaxTransactionBytes);
            List<OutboxEntry> edus = [.. waiting.Take(count)];
            var result = await requests.SendAsync(edus, edus[^1].Position, stopping);
            if (result.Outcome == FederationSendOutcome.Received)
            {
                await RemoveAsync(edus, givenUp: 0, stopping);
                _maxEdus = Math.Min(options.MaxEdus, 2 * _maxEdus);
            }
            else if (IsRefusal(result) && count > 1)
            {
                Log.TransactionSplit(logger, _destination, count, result.Reason);
                (_maxEdus, _sendingUpTo) = (count / 2, 0);
                continue;
            }
            else if (!IsRefusal(result) || !await PassOverAsync(edus[0], result.Reason, stopping))
            {
                // A try that had its time, not the first one, and what it was for has waited for long enough.
                if (!requests.WasCutShort && _failures >= UnreachableFailures)
                    await GiveUpOlderAsync(edus, options.UnreachableExpiry, "unreachable", result.Reason, stopping);
                var pause = NextPause(result.RetryAfter);
                Log.SendFailed(logger, _destination, result.Reason, _failures, pause);
                return pause;
            }

            // It has taken something, and there may always be more: it goes behind those that may wait for a place.
            if (requests.IsPlaceWanted && time.GetElapsedTime(began) >= options.SlowAfter) return TimeSpan.Zero;
        }
    }

    /// <summary>What waits, without what is too old: that is given up.</summary>
    private async Task<IReadOnlyList<OutboxEntry>> ReadAsync(CancellationToken stopping)
    {
        while (true)
        {
            var waiting = await outbox.ReadAsync(_destination, 0, _sendingUpTo > 0 ? PageSize : options.MaxEdus, stopping);
            if (!await GiveUpOlderAsync(waiting, options.Expiry, "expired", "Its time was over.", stopping)) return waiting;
        }
    }

    /// <summary>
    /// The destination refuses the first EDU by itself. That EDU is given up if the destination takes one behind it and refuses
    /// this one once more; one that refuses everything has a trouble of its own, and nothing is given up.
    /// </summary>
    private async Task<bool> PassOverAsync(OutboxEntry first, string reason, CancellationToken stopping)
    {
        List<OutboxEntry> refused = [];
        if (await FindTakenAsync(first, refused, stopping) is not { } taken) return false;

        for (var settled = 0; settled < refused.Count;)
        {
            var page = await outbox.ReadAsync(_destination, 0, Math.Min(refused.Count - settled, PageSize), stopping);
            List<OutboxEntry> triedAgain = [], givenUp = [];
            foreach (var edu in page)
            {
                if (!IsSame(edu, refused[settled + triedAgain.Count])) break;
                var again = await SendAgainAsync(edu, page[0].Position, stopping);
                if (IsRefusal(again)) givenUp.Add(edu);
                else if (again.Outcome != FederationSendOutcome.Received) break;
                triedAgain.Add(edu);
            }

            if (triedAgain.Count > 0) await RemoveAsync(triedAgain, givenUp.Count, stopping);
            GiveUp(givenUp, "refused", reason);
            if (triedAgain.Count == 0 || triedAgain.Count < page.Count) return false;
            settled += triedAgain.Count;
        }

        // Only now, so that what is removed has always stood at the head.
        await RemoveAsync([taken], givenUp: 0, stopping);
        return true;
    }

    /// <summary>Looks for an EDU behind the first one that the destination takes; adds those that it refuses, without their contents.</summary>
    private async Task<OutboxEntry?> FindTakenAsync(OutboxEntry first, List<OutboxEntry> refused, CancellationToken stopping)
    {
        refused.Add(first with { Content = default });
        var rounds = _denialsAreRefusals ? _failures - PassingFailures : _failures;
        for (var tries = FirstTries << Math.Clamp(rounds, 0, Doublings); tries > 0;)
        {
            var page = await outbox.ReadAsync(_destination, refused[^1].Position, Math.Min(tries, PageSize), stopping);
            foreach (var edu in page)
            {
                // The note names what stands at the head: an EDU behind a refused one is no part of that.
                var result = await requests.SendAsync([edu], first.Position, stopping);
                if (!IsRefusal(result)) return result.Outcome == FederationSendOutcome.Received ? edu : null;
                refused.Add(edu with { Content = default });
            }

            tries = page.Count == 0 ? 0 : tries - page.Count;
        }

        return null;
    }

    private async Task<FederationSendResult> SendAgainAsync(OutboxEntry edu, long head, CancellationToken stopping)
    {
        for (var denials = 1; ; denials++)
        {
            var result = await requests.SendAsync([edu], head, stopping);
            if (result.Outcome != FederationSendOutcome.Denied || denials == DenialsThatCount) return result;
        }
    }

    private bool IsRefusal(FederationSendResult result)
    {
        if (result.Outcome != FederationSendOutcome.Denied) return result.Outcome == FederationSendOutcome.Refused;
        // Until it has nothing more or fails: a transaction that it takes meanwhile tells that it is not the keys.
        return _denialsAreRefusals |= _failures >= PassingFailures;
    }

    private static bool IsSame(OutboxEntry edu, OutboxEntry other) => edu.Position == other.Position && edu.MessageId == other.MessageId;

    /// <summary>The destination has these, but for some that are given up.</summary>
    private async Task RemoveAsync(List<OutboxEntry> edus, int givenUp, CancellationToken stopping)
    {
        await outbox.RemoveAsync(_destination, edus, stopping);
        metrics.EdusSent(edus.Count - givenUp);
        (_failures, _sendingUpTo) = (0, 0);
    }

    /// <summary>Gives up the first ones of these if they have waited for so long. False when there is none.</summary>
    private async Task<bool> GiveUpOlderAsync(
        IReadOnlyList<OutboxEntry> edus, TimeSpan? age, string why, string reason, CancellationToken stopping)
    {
        var now = time.GetUtcNow();
        var old = edus.TakeWhile(edu => now - edu.CommittedAt > age).ToList();
        if (old.Count == 0) return false;

        await outbox.RemoveAsync(_destination, old, stopping);
        GiveUp(old, why, reason);
        return true;
    }

    private TimeSpan NextPause(TimeSpan? retryAfter) => Pauses.After(++_failures, options.MinPause, options.MaxPause, retryAfter);

    private void GiveUp(IEnumerable<OutboxEntry> edus, string why, string reason)
    {
        foreach (var edu in edus)
        {
            metrics.EduGivenUp(why);
            Log.EduGivenUp(logger, edu.MessageId, _destination, reason);
        }
    }
}
