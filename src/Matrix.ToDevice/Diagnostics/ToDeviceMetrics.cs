using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Matrix.ToDevice;

/// <summary>The module's metrics, on the meter <c>Matrix.ToDevice</c>.</summary>
internal sealed class ToDeviceMetrics
{
    public const string MeterName = "Matrix.ToDevice";

    private readonly Histogram<double> _sendDuration;
    private readonly Counter<long> _accepted;
    private readonly Counter<long> _handedOut;
    private readonly Counter<long> _acknowledged;
    private readonly UpDownCounter<long> _waiting;

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
        _waiting = meter.CreateUpDownCounter<long>(
            "matrix.to_device.waiting_syncs", "{request}", "Syncs that wait for a message.");
    }

    /// <summary>A send was answered.</summary>
    public void Sent(TimeSpan duration, SendOutcome outcome, string? eventType)
    {
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
        _sendDuration.Record(duration.TotalSeconds, tags);
    }

    public void Accepted(int messages, string eventType) =>
        _accepted.Add(messages, new KeyValuePair<string, object?>("event_type", KnownEventTypes.Tag(eventType)));

    public void HandedOut(int messages) => _handedOut.Add(messages);

    public void Acknowledged(int messages)
    {
        if (messages > 0) _acknowledged.Add(messages);
    }

    /// <summary>A sync waits until the result is disposed.</summary>
    public WaitingSync Waiting()
    {
        _waiting.Add(1);
        return new WaitingSync(_waiting);
    }

    internal readonly struct WaitingSync(UpDownCounter<long> waiting) : IDisposable
    {
        public void Dispose() => waiting.Add(-1);
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
