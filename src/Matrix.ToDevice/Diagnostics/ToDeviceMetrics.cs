using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Matrix.ToDevice;

/// <summary>
/// The module's metrics, on the meter <c>Matrix.ToDevice</c>. A listener runs within the measurement: what it throws is its own, and
/// fails neither a send nor a sync (D24).
/// </summary>
internal sealed class ToDeviceMetrics
{
    public const string MeterName = "Matrix.ToDevice";

    // OpenTelemetry's own bounds are for milliseconds: without these, every send would be in the first one.
    private static readonly InstrumentAdvice<double> s_seconds = new()
    {
        HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    };

    private readonly Redeliveries _redeliveries = new();
    private readonly List<FixedCounter> _counters = [];
    private readonly Histogram<double> _sendDuration, _commitDuration, _transactionDuration, _pushDuration;
    private readonly Counter<long> _accepted;
    private readonly UpDownCounter<long> _waiting;
    private readonly FixedCounter _handedOut, _redelivered, _acknowledged, _ignored, _dropped, _retries, _purged, _upkeepRuns, _wakeUps, _storeErrors;
    private readonly FixedCounter _edusReceived, _edusSent, _edusGivenUp, _pushesGivenUp;

    public ToDeviceMetrics(IMeterFactory meterFactory)
    {
        var meter = meterFactory.Create(MeterName);
        _sendDuration = Duration("matrix.to_device.send.duration", "Time from the first look at a send to its answer.");
        _accepted = meter.CreateCounter<long>(
            "matrix.to_device.accepted", "{message}", "Messages that were committed to inboxes of this server.");
        _retries = Counter(
            "matrix.to_device.recognised_retries", "{request}", "Sends and EDUs that had been committed before.", "kind", "send", "edu");
        _handedOut = Counter("matrix.to_device.handed_out", "{message}", "Messages in sync responses; a repeated response counts again.");
        _redelivered = Counter(
            "matrix.to_device.redelivered", "{message}", "Messages in sync responses that this host had handed out to the same device before.");
        _acknowledged = Counter("matrix.to_device.acknowledged", "{message}", "Messages that their devices have, and that were deleted.");
        _ignored = Counter(
            "matrix.to_device.ignored", "{message}", "Messages that were left out of responses because their user ignores the sender.");
        _dropped = Counter(
            "matrix.to_device.dropped", "{message}", "Messages that no device gets.", "reason",
            DropReason.Quota, DropReason.Expired, DropReason.Cancelled, DropReason.Stale, DropReason.Policy, DropReason.Rate);
        _waiting = meter.CreateUpDownCounter<long>("matrix.to_device.waiting_syncs", "{request}", "Syncs that wait for a message.");
        _wakeUps = Counter(
            "matrix.to_device.wake_ups", "{wake_up}",
            "Waiting syncs that got messages: because of a signal, or by looking although none had come.", "cause", "signal", "look");

        _commitDuration = Duration("matrix.to_device.store.commit.duration", "Time that the store took for a commit.");
        _storeErrors = Counter("matrix.to_device.store.errors", "{error}", "Calls of the store that failed.", "operation", StoreOperation.All);
        _purged = Counter("matrix.to_device.purged", "{record}", "Transaction records that were forgotten.");
        _upkeepRuns = Counter(
            "matrix.to_device.upkeep.runs", "{run}", "Runs of the upkeep that purges, on this host.", "outcome", "done", "failed");

        _edusReceived = Counter(
            "matrix.to_device.federation.received", "{edu}", "EDUs that came from other servers.", "outcome",
            "delivered", "duplicate", "sender_not_of_origin", "refused", "malformed");
        _edusSent = Counter("matrix.to_device.federation.sent", "{edu}", "EDUs that other servers have taken.");
        _edusGivenUp = Counter(
            "matrix.to_device.federation.given_up", "{edu}", "EDUs for other servers whose messages are lost.", "reason",
            "refused", "expired", "unreachable");
        _transactionDuration = Duration(
            "matrix.to_device.federation.transaction.duration", "Time that a transaction to another server took.");
        _pushDuration = Duration("matrix.to_device.appservice.transaction.duration", "Time that a transaction to an appservice took.");
        _pushesGivenUp = Counter("matrix.to_device.appservice.given_up", "{entry}", "Entries for appservices whose messages are lost.");

        Histogram<double> Duration(string name, string description) => meter.CreateHistogram(name, "s", description, tags: null, s_seconds);

        FixedCounter Counter(string name, string unit, string description, string? tag = null, params string[] values)
        {
            _counters.Add(new FixedCounter(meter.CreateCounter<long>(name, unit, description), tag, values));
            return _counters[^1];
        }
    }

    /// <summary>Says to whoever listens that the counters stand at zero: an increase from nothing is none.</summary>
    public void Announce()
    {
        foreach (var counter in _counters) counter.Announce();
        AddWaiting(0);
    }

    /// <summary>A send was answered.</summary>
    public void Sent(TimeSpan duration, SendOutcome outcome, string? eventType)
    {
        if (!_sendDuration.Enabled) return;
        Record(_sendDuration, duration, new TagList { { "outcome", outcome.Name() }, { "event_type", KnownEventTypes.Tag(eventType) } });
    }

    public void Accepted(int messages, string eventType)
    {
        if (!_accepted.Enabled) return;
        try
        {
            _accepted.Add(messages, new KeyValuePair<string, object?>("event_type", KnownEventTypes.Tag(eventType)));
        }
        catch (Exception)
        {
        }
    }

    /// <summary>The store has ended a commit.</summary>
    public void Committed(TimeSpan duration, CommitResult result) => Commit(duration, result switch
    {
        CommitResult.Committed => "committed",
        CommitResult.AlreadyCommitted => "already_committed",
        _ => "device_removed",
    });

    /// <summary>The store has failed a commit. A filter, which catches nothing.</summary>
    public bool CommitFailed(TimeSpan duration)
    {
        Commit(duration, "failed");
        _storeErrors.Add(1, StoreOperation.Commit);
        return false;
    }

    /// <summary>
    /// A call of the store has failed, unless its caller has cancelled it. A filter, which catches nothing: so it costs nothing where
    /// nothing fails.
    /// </summary>
    public bool StoreFailed(string operation, Exception exception, CancellationToken cancellationToken)
    {
        if (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested) _storeErrors.Add(1, operation);
        return false;
    }

    /// <summary>A send or an EDU had been committed before.</summary>
    public void Recognised(TransactionKey key) => _retries.Add(1, key.Endpoint == TransactionKey.DirectToDevice ? "edu" : "send");

    public void HandedOut(int messages) => _handedOut.Add(messages);

    /// <summary>Messages in the response of a sync, which reads from the first one that the device has not acknowledged.</summary>
    public void HandedOut(DeviceAddress device, IReadOnlyList<InboxMessage> messages)
    {
        _handedOut.Add(messages.Count);
        if (_redelivered.Enabled && _redeliveries.Count(device, messages) is > 0 and var again) _redelivered.Add(again);
    }

    /// <summary>What was handed out to it is nothing to a later device of the same ID.</summary>
    public void DeviceRemoved(DeviceAddress device) => _redeliveries.Forget(device);

    public void Acknowledged(int messages)
    {
        if (messages > 0) _acknowledged.Add(messages);
    }

    public void Ignored(int messages)
    {
        if (messages > 0) _ignored.Add(messages);
    }

    /// <summary>Messages that no device gets, for a reason of <see cref="DropReason"/>.</summary>
    public void Dropped(string reason, int messages)
    {
        if (messages > 0) _dropped.Add(messages, reason);
    }

    /// <summary>Messages that have waited for too long.</summary>
    public void Expired(int messages) => Dropped(DropReason.Expired, messages);

    /// <summary>Transaction records were forgotten.</summary>
    public void Purged(int records)
    {
        if (records > 0) _purged.Add(records);
    }

    /// <summary>The upkeep has run on this host.</summary>
    public void UpkeepRan(bool isDone) => _upkeepRuns.Add(1, isDone ? "done" : "failed");

    /// <summary>A sync that had waited has found messages.</summary>
    public void WokenUp(bool isSignalled) => _wakeUps.Add(1, isSignalled ? "signal" : "look");

    public void EduReceived(ReceivedEdu outcome) => _edusReceived.Add(1, outcome.Name());

    public void EdusSent(int edus) => _edusSent.Add(edus);

    /// <summary>Reasons are <c>refused</c>, <c>expired</c> and <c>unreachable</c>.</summary>
    public void EduGivenUp(string reason) => _edusGivenUp.Add(1, reason);

    public void TransactionSent(TimeSpan duration, FederationSendOutcome outcome) =>
        Record(_transactionDuration, duration, new TagList { { "outcome", outcome.Name() } });

    public void PushedTo(TimeSpan duration, bool isReceived) =>
        Record(_pushDuration, duration, new TagList { { "outcome", isReceived ? "received" : "failed" } });

    public void PushGivenUp() => _pushesGivenUp.Add(1);

    /// <summary>A sync waits until the result is disposed.</summary>
    public WaitingSync Waiting()
    {
        AddWaiting(1);
        return new WaitingSync(this);
    }

    private void Commit(TimeSpan duration, string outcome)
    {
        if (_commitDuration.Enabled) Record(_commitDuration, duration, new TagList { { "outcome", outcome } });
    }

    private void AddWaiting(int syncs)
    {
        try
        {
            _waiting.Add(syncs);
        }
        catch (Exception)
        {
        }
    }

    private static void Record(Histogram<double> histogram, TimeSpan duration, in TagList tags)
    {
        try
        {
            histogram.Record(duration.TotalSeconds, tags);
        }
        catch (Exception)
        {
        }
    }

    internal readonly struct WaitingSync(ToDeviceMetrics metrics) : IDisposable
    {
        public void Dispose() => metrics.AddWaiting(-1);
    }
}
