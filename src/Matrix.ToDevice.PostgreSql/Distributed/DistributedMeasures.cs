using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>Counts what waits, bucket by bucket. In portions, as in the layout for one machine.</summary>
internal sealed class DistributedMeasures(PostgreSqlDatabase database, PostgreSqlStoreOptions options, Availability availability) : IMeasures
{
    private const long DevicesAtOnce = 10_000;

    // The last device of a portion and how many it has, and what waits for them.
    private readonly string _inboxes = $"""
        WITH part AS MATERIALIZED (
            SELECT d.user_id, d.device_id, d.last_sequence, least(d.acknowledged, d.last_sequence) AS behind
            FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_device d
            WHERE d.bucket = $1 AND (d.user_id, d.device_id) > ($2, $3) ORDER BY d.user_id, d.device_id LIMIT $4),
        waiting AS MATERIALIZED (
            SELECT s.last_sequence - m.sequence + 1 AS messages, m.committed_at
            FROM part s CROSS JOIN LATERAL (
                SELECT m.sequence, m.committed_at FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_message m
                WHERE m.bucket = $1 AND m.user_id = s.user_id AND m.device_id = s.device_id AND m.sequence > s.behind AND s.last_sequence > s.behind
                ORDER BY m.sequence LIMIT 1) m)
        SELECT last.user_id, last.device_id, (SELECT count(*) FROM part), found.*
        FROM (SELECT s.user_id, s.device_id FROM part s ORDER BY s.user_id DESC, s.device_id DESC LIMIT 1) last,
            (SELECT count(*), coalesce(sum(w.messages), 0)::bigint, coalesce(max(w.messages), 0), min(w.committed_at) FROM waiting w) found
        """;

    // The numbers of a destination have gaps only where an EDU was removed from among others: that one counts until those before it have gone.
    private readonly string _outbox = $"""
        SELECT l.failures > 0, count(*), sum(d.last_position - e.position + 1)::bigint, min(e.committed_at)
        FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_lease l
        JOIN {PostgreSqlSchema.Quote(options.Schema)}.to_device_destination d ON d.bucket = $1 AND d.destination = l.destination
        CROSS JOIN LATERAL (
            SELECT e.position, e.committed_at FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_edu e
            WHERE e.bucket = $1 AND e.destination = l.destination AND e.position > l.removed_up_to ORDER BY e.position LIMIT 1) e
        WHERE l.bucket = $1 AND l.is_waiting GROUP BY 1
        """;

    private readonly string _these = Statement.Call(options, "to_device_measure", 5);

    /// <inheritdoc cref="IStoreUpkeep.MeasureAsync(CancellationToken)"/>
    public async ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken)
    {
        var found = new StoreStatistics(0, 0, 0, null, default, default);
        for (var bucket = 0; bucket < Buckets.OfDestinations; bucket++)
            foreach (var (hasFailed, waiting) in await availability.TryAsync(bucket, ending => OutboxAsync(bucket, ending), cancellationToken))
                found = hasFailed ? found with { Failing = Sum(found.Failing, waiting) } : found with { Working = Sum(found.Working, waiting) };

        for (var bucket = 0; bucket < Buckets.Count; bucket++)
        {
            for (DeviceAddress? after = new("", ""); after is { } last;)
            {
                (after, var portion) = await availability.TryAsync(bucket, ending => InboxesAsync(bucket, last, ending), cancellationToken);
                found = found with
                {
                    Inboxes = found.Inboxes + portion.Inboxes,
                    Messages = found.Messages + portion.Messages,
                    LargestInbox = Math.Max(found.LargestInbox, portion.LargestInbox),
                    OldestMessage = Older(found.OldestMessage, portion.OldestMessage),
                };
            }
        }

        return found;
    }

    /// <inheritdoc cref="IStoreUpkeep.MeasureAsync(IReadOnlyList{DeviceAddress}, InboxSize, CancellationToken)"/>
    /// <remarks>Of a bucket whose machine is down, nothing is known, and no send is to wait for it: what is found there is nothing.</remarks>
    public async ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(
        IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken)
    {
        var sizes = new InboxSize[devices.Count];
        var buckets = devices.Select((device, place) => (UserId: PostgreSqlText.Key(device.UserId), DeviceId: PostgreSqlText.Key(device.DeviceId), Place: place))
            .ToLookup(device => Buckets.Of(device.UserId));
        await EachBucket.TryAsync(availability, buckets.Select(bucket => bucket.Key), async (bucket, cancellation) =>
        {
            var these = buckets[bucket].ToArray();
            var numbers = await database.ScalarAsync<long[]>(
                _these,
                () =>
                [
                    Statement.Of(bucket), Calls.Array(NpgsqlDbType.Text, these.Select(device => device.UserId)),
                    Calls.Array(NpgsqlDbType.Text, these.Select(device => device.DeviceId)), Statement.Of(upTo.Messages), Statement.Of(upTo.Bytes),
                ],
                cancellation);
            for (var i = 0; i < these.Length; i++) sizes[these[i].Place] = new InboxSize(numbers[2 * i], numbers[(2 * i) + 1]);
            return true;
        }, cancellationToken);
        return sizes;
    }

    private ValueTask<List<(bool HasFailed, OutboxStatistics Waiting)>> OutboxAsync(int bucket, CancellationToken cancellationToken) => database.ListAsync(
        _outbox, () => [Statement.Of(bucket)],
        row => (row.GetBoolean(0), new OutboxStatistics(row.GetInt64(1), row.GetInt64(2), row.GetFieldValue<DateTimeOffset>(3))), cancellationToken);

    /// <summary>What waits in a portion of a bucket's inboxes, and the last device of it; null when no others come.</summary>
    private async ValueTask<(DeviceAddress? Last, StoreStatistics Portion)> InboxesAsync(int bucket, DeviceAddress after, CancellationToken cancellationToken)
    {
        var rows = await database.ListAsync(
            _inboxes, () => [Statement.Of(bucket), Statement.Of(after.UserId), Statement.Of(after.DeviceId), Statement.Of(DevicesAtOnce)],
            row => (
                row.GetInt64(2) < DevicesAtOnce ? (DeviceAddress?)null : new DeviceAddress(row.GetString(0), row.GetString(1)),
                new StoreStatistics(
                    row.GetInt64(4), row.GetInt64(3), row.GetInt64(5), row.IsDBNull(6) ? null : row.GetFieldValue<DateTimeOffset>(6), default, default)),
            cancellationToken);
        return rows.Count == 0 ? (null, new StoreStatistics(0, 0, 0, null, default, default)) : rows[0];
    }

    private static OutboxStatistics Sum(OutboxStatistics one, OutboxStatistics other) =>
        new(one.Destinations + other.Destinations, one.Edus + other.Edus, Older(one.OldestEdu, other.OldestEdu));

    private static DateTimeOffset? Older(DateTimeOffset? one, DateTimeOffset? other) => one < other || other is null ? one : other;
}
