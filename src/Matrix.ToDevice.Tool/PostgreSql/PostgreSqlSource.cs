using System.Runtime.CompilerServices;
using Npgsql;
using static Matrix.ToDevice.Tool.PostgreSqlQueries;

namespace Matrix.ToDevice.Tool;

/// <summary>Gives everything that a PostgreSQL store holds to a target, and leaves its end to whoever asks.</summary>
internal sealed class PostgreSqlSource(PostgreSqlQueries queries, FoundTables tables, IMoveTarget target, IProgress<long> progress)
{
    private long _sent;

    public async Task SendAsync(CancellationToken cancellationToken)
    {
        await SendDevicesAsync(cancellationToken);
        await SendMessagesAsync(cancellationToken);
        await SendRecordsAsync(cancellationToken);
        await SendDestinationsAsync(cancellationToken);
        await SendEdusAsync(cancellationToken);
    }

    private async Task SendDevicesAsync(CancellationToken cancellationToken)
    {
        // One that was removed begins anew anyway; and a place that stands for no device is made when it is needed.
        await foreach (var row in RowsAsync(
            portion => $"SELECT user_id, device_id, last_sequence, acknowledged FROM to_device_device WHERE {portion}last_sequence > 0 ORDER BY user_id, device_id",
            cancellationToken))
        {
            await target.AddAsync(
                new DeviceEntry(Device(row.GetString(0), row.GetString(1)), row.GetInt64(2), Math.Min(row.GetInt64(3), row.GetInt64(2))), cancellationToken);
        }
    }

    private async Task SendMessagesAsync(CancellationToken cancellationToken)
    {
        var (userId, deviceId, device) = ("", "", default(StoredDevice));
        await foreach (var row in RowsAsync(portion => $"""
            SELECT user_id, device_id, sequence, send_id, sender, event_type, content, committed_at FROM to_device_message
            WHERE {portion}true ORDER BY user_id, device_id, sequence
            """, cancellationToken))
        {
            if (row.GetString(0) != userId || row.GetString(1) != deviceId)
            {
                (userId, deviceId) = (row.GetString(0), row.GetString(1));
                device = Device(userId, deviceId);
            }

            await target.AddAsync(
                new MessageEntry(
                    device, row.GetInt64(2), row.GetInt64(3), Text(row.GetString(4)), Text(row.GetString(5)), row.GetFieldValue<byte[]>(6), Time(row, 7)),
                cancellationToken);
            Sent();
        }
    }

    private async Task SendRecordsAsync(CancellationToken cancellationToken)
    {
        await foreach (var row in RowsAsync(
            portion => $"SELECT user_id, device_id, key, last_used FROM to_device_transaction WHERE {portion}true ORDER BY user_id, device_id, key",
            cancellationToken))
        {
            var owner = row.GetString(1) switch
            {
                PostgreSqlText.OtherServer => RecordOwner.OtherServer,
                PostgreSqlText.NoDevice => RecordOwner.NoDevice,
                _ => RecordOwner.Device,
            };
            // What has come from a SQLite store has nobody's name still.
            var user = owner != RecordOwner.Device && row.GetString(0) == PostgreSqlText.Nobody ? (StoredName?)null : StoredName.OfKey(row.GetString(0));
            var device = owner == RecordOwner.Device ? StoredName.OfKey(row.GetString(1)) : (StoredName?)null;
            await target.AddAsync(
                new RecordEntry(owner, user, device, row.GetGuid(2).ToByteArray(bigEndian: true), row.GetFieldValue<DateTimeOffset>(3)), cancellationToken);
            Sent();
        }
    }

    private async Task SendDestinationsAsync(CancellationToken cancellationToken)
    {
        // Who had taken it is not there any more.
        await foreach (var row in RowsAsync(portion => $"""
            SELECT w.destination, coalesce(l.sending_up_to, 0), coalesce(l.failures, 0), CASE WHEN l.holder IS NULL THEN l.taken_until END
            FROM (SELECT DISTINCT destination FROM to_device_edu WHERE {portion}true) w
            LEFT JOIN to_device_lease l ON {portion}l.destination = w.destination ORDER BY w.destination
            """, cancellationToken))
        {
            await target.AddAsync(
                new DestinationEntry(row.GetString(0), row.GetInt64(1), row.GetInt32(2), Time(row, 3) ?? DateTimeOffset.UnixEpoch), cancellationToken);
        }
    }

    private async Task SendEdusAsync(CancellationToken cancellationToken)
    {
        await foreach (var row in RowsAsync(
            portion => $"SELECT destination, position, message_id, content, committed_at FROM to_device_edu WHERE {portion}true ORDER BY destination, position",
            cancellationToken))
        {
            await target.AddAsync(
                new EduEntry(
                    row.GetString(0), row.GetInt64(1), row.GetString(2), row.GetFieldValue<byte[]>(3), row.GetFieldValue<DateTimeOffset>(4)),
                cancellationToken);
            Sent();
        }
    }

    // In portions each of which is on one machine.
    private async IAsyncEnumerable<NpgsqlDataReader> RowsAsync(Func<string, string> sql, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var portion in tables.Portions)
            await foreach (var row in queries.RowsAsync(sql(portion), cancellationToken)) yield return row;
    }

    private static StoredDevice Device(string userKey, string deviceKey) => new(StoredName.OfKey(userKey), StoredName.OfKey(deviceKey));

    private static string Text(string text) => PostgreSqlText.Unescape(text);

    private void Sent()
    {
        if (++_sent % 1024 == 0) progress.Report(_sent);
    }
}
