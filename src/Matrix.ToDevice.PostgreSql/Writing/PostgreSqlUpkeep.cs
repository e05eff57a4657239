using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>What is done now and then: messages expire, and of all hosts one does it. By the clock of the database.</summary>
internal sealed class PostgreSqlUpkeep(PostgreSqlDatabase database, PostgreSqlStoreOptions options) : IUpkeep
{
    // So many are looked at in one statement, and so many deleted while others wait for their devices' rows: some milliseconds each.
    private const long DevicesAtOnce = 1000, MostAtOnce = 1000;

    private static readonly DeviceAddress s_start = new("", "");

    private readonly string _due = $"SELECT * FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_due($1, $2, $3, $4)";
    private readonly string _expire = $"SELECT {PostgreSqlSchema.Quote(options.Schema)}.to_device_expire($1, $2, $3, $4)";

    private readonly string _isCommitted = $"""
        SELECT EXISTS (
            SELECT FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_transaction
            WHERE user_id = ANY (ARRAY[$1, '{PostgreSqlText.Nobody}']) AND device_id = $2 AND key = $3)
        """;

    // Also when it was taken at a time that is still to come: a failover has set the clock back.
    private readonly string _take = $"""
        INSERT INTO {PostgreSqlSchema.Quote(options.Schema)}.to_device_upkeep AS u (task, taken_at) VALUES ($1, clock_timestamp())
        ON CONFLICT (task) DO UPDATE SET taken_at = clock_timestamp()
        WHERE u.taken_at <= clock_timestamp() - $2 OR u.taken_at > clock_timestamp() + $2
        """;

    // Where the look for old messages goes on. An index over their ages would cost each commit something; this costs a look at each inbox.
    private volatile Place _next = new(s_start);

    /// <inheritdoc cref="IStoreUpkeep.IsCommittedAsync"/>
    public ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken)
    {
        var sender = CommitArrays.Sender(key);
        return database.ScalarAsync<bool>(
            _isCommitted, () => [Of(sender.UserId), Of(sender.DeviceId), Of(PostgreSqlTransaction.FingerprintOf(key))], cancellationToken);
    }

    /// <inheritdoc cref="IStoreUpkeep.TryTakeAsync"/>
    public async ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken) => await database.RunAsync(
        async (connection, cancellation) =>
        {
            await using var command = new NpgsqlCommand(_take, connection) { Parameters = { Of(task), Of(interval) } };
            await database.PrepareAsync(command, cancellation);
            return await command.ExecuteNonQueryAsync(cancellation);
        }, cancellationToken) > 0;

    /// <inheritdoc cref="IStoreUpkeep.ExpireAsync"/>
    public async ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken)
    {
        var (place, expired) = (_next.Device, 0);
        // Whoever begins in the middle comes to the end twice.
        for (var isWhole = place == s_start; expired < atMost;)
        {
            _next = new Place(place);
            var (due, last) = await FindDueAsync(place, committedBefore, cancellationToken);
            if (last is null && isWhole) break;
            isWhole |= last is null;
            for (var isDone = due.Length == 0; !isDone && expired < atMost;)
            {
                var most = Math.Min(atMost - expired, MostAtOnce);
                var done = await ExpireAsync(due, committedBefore, most, cancellationToken);
                expired += (int)done;
                isDone = done < most;
            }

            if (expired < atMost) place = last ?? s_start;
        }

        if (expired < atMost) _next = new Place(s_start);
        return expired;
    }

    /// <summary>The devices of a portion whose oldest message is due, and the last device of the portion; null behind the end.</summary>
    private ValueTask<(DeviceAddress[] Due, DeviceAddress? Last)> FindDueAsync(
        DeviceAddress after, DateTimeOffset committedBefore, CancellationToken cancellationToken) => database.RunAsync(
        async (connection, cancellation) =>
        {
            await using var command = new NpgsqlCommand(_due, connection)
            {
                Parameters = { Of(after.UserId), Of(after.DeviceId), Of(DevicesAtOnce), Of(committedBefore) },
            };
            await database.PrepareAsync(command, cancellation);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            var (due, last) = (new List<DeviceAddress>(), (DeviceAddress?)null);
            while (await reader.ReadAsync(cancellation))
            {
                var device = new DeviceAddress(reader.GetString(0), reader.GetString(1));
                if (reader.GetBoolean(2)) due.Add(device);
                last = device;
            }

            // The database's order of texts is not in all cases that in which commits lock.
            due.Sort(CommitArrays.Compare);
            return (due.ToArray(), last);
        }, cancellationToken);

    private ValueTask<long> ExpireAsync(DeviceAddress[] devices, DateTimeOffset committedBefore, long most, CancellationToken cancellationToken) =>
        database.ScalarAsync<long>(
            _expire,
            () => [Of(Array.ConvertAll(devices, device => device.UserId)), Of(Array.ConvertAll(devices, device => device.DeviceId)), Of(committedBefore), Of(most)],
            cancellationToken);

    private static NpgsqlParameter<T> Of<T>(T value) => new() { TypedValue = value };

    private static NpgsqlParameter<DateTime> Of(DateTimeOffset value) => new() { TypedValue = value.UtcDateTime, NpgsqlDbType = NpgsqlDbType.TimestampTz };

    private sealed record Place(DeviceAddress Device);
}
