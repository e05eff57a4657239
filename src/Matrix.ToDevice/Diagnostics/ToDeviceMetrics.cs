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

    private readonly Histogram<double> _sendDuration;
    private readonly Counter<long> _accepted;
    private readonly Counter<long> _handedOut;
    private readonly Counter<long> _acknowledged;
    private readonly Counter<long> _ignored;
    private readonly Counter<long> _dropped;
    private readonly Counter<long> _purged;
    private readonly UpDownCounter<long> _waiting;
    private readonly Counter<long> _edusReceived;
    private readonly Counter<long> _edusSent;
    private readonly Counter<long> _edusGivenUp;
    private readonly Histogram<double> _transactionDuration;
    private readonly Histogram<double> _pushDuration;
    private readonly Counter<long> _pushesGivenUp;

    public ToDeviceMetrics(IMeterFactory meterFactory)
    {
        var meter = meterFactory.Create(MeterName);
        _sendDuration = meter.CreateHistogram<double>(
            "matrix.to_device.send.duration", "s", "Time from the first look at a send to its answer.");
        _accepted = meter.CreateCounter<long>(
            "matrix.to_device.accepted", "{message}", "Messages that were committed to inboxes of this server.");
        _handedOut = meter.CreateCounter<long>(
            "matrix.to_device.handed_out", "{message}", "Messages in sync responses; a repeated response counts again.");
        _acknowledged = meter.CreateCounter<long>(
            "matrix.to_device.acknowledged", "{message}", "Messages that their devices have, and that were deleted.");
        _ignored = meter.CreateCounter<long>(
            "matrix.to_device.ignored", "{message}", "Messages that were left out of responses because their user ignores the sender.");
        _dropped = meter.CreateCounter<long>(
            "matrix.to_device.dropped", "{message}", "Messages that their devices do not get.");
        _purged = meter.CreateCounter<long>(
            "matrix.to_device.purged", "{record}", "Transaction records that were forgotten.");
        _waiting = meter.CreateUpDownCounter<long>(
            "matrix.to_device.waiting_syncs", "{request}", "Syncs that wait for a message.");
        _edusReceived = meter.CreateCounter<long>(
            "matrix.to_device.federation.received", "{edu}", "EDUs that came from other servers.");
        _edusSent = meter.CreateCounter<long>(
            "matrix.to_device.federation.sent", "{edu}", "EDUs that other servers have taken.");
        _edusGivenUp = meter.CreateCounter<long>(
            "matrix.to_device.federation.given_up", "{edu}", "EDUs for other servers whose messages are lost.");
        _transactionDuration = meter.CreateHistogram<double>(
            "matrix.to_device.federation.transaction.duration", "s", "Time that a transaction to another server took.");
        _pushDuration = meter.CreateHistogram<double>(
            "matrix.to_device.appservice.transaction.duration", "s", "Time that a transaction to an appservice took.");
        _pushesGivenUp = meter.CreateCounter<long>(
            "matrix.to_device.appservice.given_up", "{entry}", "Entries for appservices whose messages are lost.");
    }

    /// <summary>A send was answered.</summary>
    public void Sent(TimeSpan duration, SendOutcome outcome, string? eventType)
    {
        if (!_sendDuration.Enabled) return;

        var tags = new TagList
        {
            { "outcome", outcome switch
            {
                SendOutcome.Committed => "committed",
                SendOutcome.Duplicate => "duplicate",
                SendOutcome.Refused => "refused",
                SendOutcome.Unavailable => "unavailable",
                _ => "client_gone",
            } },
            { "event_type", KnownEventTypes.Tag(eventType) },
        };
        Record(_sendDuration, duration, tags);
    }

    public void Accepted(int messages, string eventType) =>
        Add(_accepted, messages, new TagList { { "event_type", KnownEventTypes.Tag(eventType) } });

    public void HandedOut(int messages) => Add(_handedOut, messages);

    public void Acknowledged(int messages)
    {
        if (messages > 0) Add(_acknowledged, messages);
    }

    public void Ignored(int messages)
    {
        if (messages > 0) Add(_ignored, messages);
    }

    /// <summary>Reasons are those of <see cref="DropReason"/>.</summary>
    public void Dropped(string reason, int messages) => Add(_dropped, messages, new TagList { { "reason", reason } });

    public void Purged(int records) => Add(_purged, records);

    /// <summary>Messages were deleted where they waited.</summary>
    public void Expired(int messages) => Dropped(DropReason.Expired, messages);

    public void EduReceived(ReceivedEdu outcome)
    {
        var tag = outcome switch
        {
            ReceivedEdu.Delivered => "delivered",
            ReceivedEdu.Duplicate => "duplicate",
            ReceivedEdu.SenderNotOfOrigin => "sender_not_of_origin",
            ReceivedEdu.Refused => "refused",
            _ => "malformed",
        };
        Add(_edusReceived, 1, new TagList { { "outcome", tag } });
    }

    public void EdusSent(int edus) => Add(_edusSent, edus);

    /// <summary>Reasons are <c>refused</c>, <c>expired</c> and <c>unreachable</c>.</summary>
    public void EduGivenUp(string reason) => Add(_edusGivenUp, 1, new TagList { { "reason", reason } });

    public void TransactionSent(TimeSpan duration, FederationSendOutcome outcome)
    {
        var tag = outcome switch
        {
            FederationSendOutcome.Received => "received",
            FederationSendOutcome.Refused => "refused",
            FederationSendOutcome.Denied => "denied",
            _ => "failed",
        };
        Record(_transactionDuration, duration, new TagList { { "outcome", tag } });
    }

    public void PushedTo(TimeSpan duration, bool isReceived) =>
        Record(_pushDuration, duration, new TagList { { "outcome", isReceived ? "received" : "failed" } });

    public void PushGivenUp() => Add(_pushesGivenUp, 1);

    /// <summary>A sync waits until the result is disposed.</summary>
    public WaitingSync Waiting()
    {
        AddWaiting(1);
        return new WaitingSync(this);
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

    private static void Add(Counter<long> counter, int value, in TagList tags = default)
    {
        try
        {
            counter.Add(value, tags);
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

/// <summary>How a send was answered.</summary>
internal enum SendOutcome
{
    /// <summary>200, and its messages were accepted.</summary>
    Committed,

    /// <summary>200, because an earlier request had the same transaction.</summary>
    Duplicate,

    /// <summary>4xx.</summary>
    Refused,

    /// <summary>503.</summary>
    Unavailable,

    /// <summary>Not at all: the client had gone.</summary>
    ClientGone,
}
