using System.Runtime.ExceptionServices;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>What is done now and then: messages expire, and of all hosts one does it. By the clocks of the machines.</summary>
internal sealed class DistributedUpkeep(
    PostgreSqlDatabase database, PostgreSqlStoreOptions options, TimeProvider time, Availability availability, NamelessRecords nameless) : IUpkeep
{
    // So many are looked at in one statement, and so many deleted while others wait for their devices' rows: some milliseconds each.
    private const long DevicesAtOnce = 1000, MostAtOnce = 1000;

    private static readonly DeviceAddress s_start = new("", "");

    // Those devices of a portion whose oldest message is due, and the last one, with its place in the portion.
    private readonly string _due = $"""
        WITH part AS MATERIALIZED (
            SELECT d.user_id, d.device_id, d.last_sequence, least(d.acknowledged, d.last_sequence) AS behind,
                row_number() OVER (ORDER BY d.user_id, d.device_id) AS place FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_device d
            WHERE d.bucket = $1 AND (d.user_id, d.device_id) > ($2, $3) ORDER BY d.user_id, d.device_id LIMIT $4)
        SELECT s.user_id, s.device_id, m.sequence IS NOT NULL, s.place
        FROM part s LEFT JOIN LATERAL (
            SELECT m.sequence, m.committed_at FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_message m
            WHERE m.bucket = $1 AND m.user_id = s.user_id AND m.device_id = s.device_id AND m.sequence > s.behind AND s.last_sequence > s.behind
            ORDER BY m.sequence LIMIT 1) m ON m.committed_at < $5
        WHERE m.sequence IS NOT NULL OR s.place = (SELECT max(l.place) FROM part l)
        ORDER BY s.place
        """;

    private readonly string _expire = Statement.Call(options, "to_device_expire", 5);
    private readonly string _take = Statement.Call(options, "to_device_take_task", 3);

    private readonly string _isCommitted = $"""
        SELECT count(*) FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_transaction
        WHERE bucket = $1 AND user_id = $2 AND device_id = $3 AND key = $4
        """;

    // Where the look for old messages goes on, as in the layout for one machine.
    private volatile Place _next = new(0, s_start);

    /// <inheritdoc cref="IStoreUpkeep.IsCommittedAsync"/>
    public async ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken)
    {
        var sender = CommitArrays.Sender(key);
        var fingerprint = PostgreSqlTransaction.FingerprintOf(key);
        if (await nameless.UseAsync(sender, fingerprint, time.GetUtcNow(), cancellationToken)) return true;
        return await availability.CallAsync(Buckets.Of(sender.UserId), ending => database.ScalarAsync<long>(
            _isCommitted,
            () =>
            [
                Statement.Of(Buckets.Of(sender.UserId)), Statement.Of(sender.UserId), Statement.Of(sender.DeviceId), Statement.Of(fingerprint),
            ],
            ending), cancellationToken) > 0;
    }

    /// <inheritdoc cref="IStoreUpkeep.TryTakeAsync"/>
    public ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken) =>
        availability.CallAsync(Buckets.Of(task), ending => database.ScalarAsync<bool>(
            _take, () => [Statement.Of(Buckets.Of(task)), Statement.Of(task), Statement.Of(interval)], ending), cancellationToken);

    /// <inheritdoc cref="IStoreUpkeep.ExpireAsync"/>
    /// <exception cref="PostgreSqlStoreException">It failed in a bucket; the others have had their turn.</exception>
    public async ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken)
    {
        var (expired, failure) = (0, (Exception?)null);
        var place = _next;
        // Whoever begins in the middle of a bucket comes to it twice.
        for (var left = place.Device == s_start ? Buckets.Count : Buckets.Count + 1; left > 0; left--)
        {
            try
            {
                expired += await availability.TryAsync(
                    place.Bucket, ending => ExpireAsync(place, committedBefore, atMost - expired, ending), cancellationToken);
                if (expired >= atMost) return expired;
            }
            catch (PostgreSqlStoreException exception)
            {
                failure ??= exception;
            }

            _next = place = new Place((place.Bucket + 1) % Buckets.Count, s_start);
        }

        if (failure is not null) ExceptionDispatchInfo.Throw(failure);
        return expired;
    }

    /// <summary>The same for a bucket, from a device on.</summary>
    private async ValueTask<int> ExpireAsync(Place from, DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken)
    {
        var expired = 0;
        for (var place = from; place is not null && expired < atMost;)
        {
            _next = place;
            var (due, last) = await FindDueAsync(place, committedBefore, cancellationToken);
            for (var isDone = due.Length == 0; !isDone && expired < atMost;)
            {
                var most = Math.Min(atMost - expired, MostAtOnce);
                var done = await database.ScalarAsync<long>(
                    _expire,
                    () =>
                    [
                        Statement.Of(from.Bucket), Calls.Array(NpgsqlDbType.Text, due.Select(device => device.UserId)),
                        Calls.Array(NpgsqlDbType.Text, due.Select(device => device.DeviceId)), Statement.Of(committedBefore), Statement.Of(most),
                    ],
                    cancellationToken);
                expired += (int)done;
                isDone = done < most;
            }

            place = last;
        }

        return expired;
    }

    /// <summary>The devices of a portion whose oldest message is due, and the last device of the portion; null when no others come.</summary>
    private async ValueTask<(DeviceAddress[] Due, Place? Last)> FindDueAsync(
        Place after, DateTimeOffset committedBefore, CancellationToken cancellationToken)
    {
        var rows = await database.ListAsync(
            _due,
            () =>
            [
                Statement.Of(after.Bucket), Statement.Of(after.Device.UserId), Statement.Of(after.Device.DeviceId), Statement.Of(DevicesAtOnce),
                Statement.Of(committedBefore),
            ],
            row => (Device: new DeviceAddress(row.GetString(0), row.GetString(1)), IsDue: row.GetBoolean(2), Place: row.GetInt64(3)), cancellationToken);
        var due = rows.Where(row => row.IsDue).Select(row => row.Device).ToArray();
        // The database's order of texts is not in all cases that in which commits lock.
        Array.Sort(due, CommitArrays.Compare);
        return (due, rows.Count > 0 && rows[^1].Place == DevicesAtOnce ? new Place(after.Bucket, rows[^1].Device) : null);
    }

    private sealed record Place(int Bucket, DeviceAddress Device);
}
