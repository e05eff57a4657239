using System.Diagnostics.Metrics;

namespace Matrix.ToDevice;

/// <summary>What waits in the store, as it was measured last; nothing when that is too long ago. Each host measures the whole store.</summary>
internal sealed class StatisticsGauges
{
    // A measurement may take a while, and one may fail.
    private const int IntervalsUntilOld = 3;

    private readonly LatestStatistics _latest;
    private readonly CurrentOptions _options;
    private readonly List<Instrument> _gauges;

    public StatisticsGauges(IMeterFactory meterFactory, LatestStatistics latest, CurrentOptions options)
    {
        (_latest, _options) = (latest, options);
        var meter = meterFactory.Create(ToDeviceMetrics.MeterName);
        _gauges =
        [
            meter.CreateObservableGauge(
                "matrix.to_device.inbox.messages", () => OfInboxes(sample => sample.Store.Messages), "{message}", "Messages in all inboxes."),
            meter.CreateObservableGauge(
                "matrix.to_device.inbox.non_empty", () => OfInboxes(sample => sample.Store.Inboxes), "{inbox}", "Inboxes that are not empty."),
            meter.CreateObservableGauge(
                "matrix.to_device.inbox.largest", () => OfInboxes(sample => sample.Store.LargestInbox), "{message}",
                "Messages in the inbox that has the most."),
            meter.CreateObservableGauge(
                "matrix.to_device.inbox.oldest.age", () => OfInboxes(sample => sample.AgeOf(sample.Store.OldestMessage).TotalSeconds), "s",
                "Age of the oldest message in all inboxes."),
            meter.CreateObservableGauge(
                "matrix.to_device.outbox.destinations", () => OfOutbox((_, outbox) => outbox.Destinations), "{destination}",
                "Destinations for which something waits."),
            meter.CreateObservableGauge(
                "matrix.to_device.outbox.edus", () => OfOutbox((_, outbox) => outbox.Edus), "{edu}", "EDUs that wait for their destinations."),
            meter.CreateObservableGauge(
                "matrix.to_device.outbox.oldest.age", () => OfOutbox((sample, outbox) => sample.AgeOf(outbox.OldestEdu).TotalSeconds), "s",
                "Age of the oldest EDU that waits."),
        ];
    }

    /// <summary>Whether somebody listens.</summary>
    public bool AreWatched => _gauges.Exists(gauge => gauge.Enabled);

    private TimeSpan Old => IntervalsUntilOld * _options.Value.StatisticsInterval ?? TimeSpan.Zero;

    private Measurement<T>[] OfInboxes<T>(Func<StatisticsSample, T> value)
        where T : struct => _latest.Get(Old) is { } sample ? [new Measurement<T>(value(sample))] : [];

    private Measurement<T>[] OfOutbox<T>(Func<StatisticsSample, OutboxStatistics, T> value)
        where T : struct => _latest.Get(Old) is { } sample
            ?
            [
                new Measurement<T>(value(sample, sample.Store.Working), new KeyValuePair<string, object?>("state", "working")),
                new Measurement<T>(value(sample, sample.Store.Failing), new KeyValuePair<string, object?>("state", "failing")),
            ]
            : [];
}
