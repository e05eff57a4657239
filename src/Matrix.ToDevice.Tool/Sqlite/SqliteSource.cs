using Microsoft.Data.Sqlite;
using static Matrix.ToDevice.Tool.SqliteQueries;

namespace Matrix.ToDevice.Tool;

/// <summary>Gives everything that a SQLite store holds to a target, and leaves its end to whoever asks. What nobody can see any more stays behind.</summary>
internal sealed class SqliteSource(SqliteConnection connection, IMoveTarget target, IProgress<long> progress)
{
    // In the place of a device's ID: a requester without one, and another server.
    private const long NoDevice = 0;

    private long _sent;

    public async Task SendAsync(CancellationToken cancellationToken)
    {
        await SendDevicesAsync(cancellationToken);
        await SendMessagesAsync(cancellationToken);
        // The recent ones have no index by device, and are few.
        await SendRecordsAsync("to_device_transaction", cancellationToken);
        await SendRecordsAsync("to_device_recent_transaction", cancellationToken);
        await SendDestinationsAsync(cancellationToken);
        await SendEdusAsync(cancellationToken);
    }

    private async Task SendDevicesAsync(CancellationToken cancellationToken)
    {
        foreach (var row in Rows(connection, """
            SELECT d.user_id, d.device_id,
                max(d.last_sequence, coalesce(a.up_to, 0), coalesce((SELECT max(sequence) FROM to_device_message WHERE device = d.id), 0)),
                coalesce(a.up_to, (SELECT min(sequence) - 1 FROM to_device_message WHERE device = d.id), d.last_sequence)
            FROM to_device_device d LEFT JOIN to_device_acknowledged a ON a.device = d.id ORDER BY d.user_id, d.device_id
            """))
        {
            await target.AddAsync(new DeviceEntry(Device(row), row.GetInt64(2), row.GetInt64(3)), cancellationToken);
        }
    }

    private async Task SendMessagesAsync(CancellationToken cancellationToken)
    {
        var (id, device) = (0L, default(StoredDevice));
        foreach (var row in Rows(connection, """
            SELECT d.user_id, d.device_id, d.id, m.sequence, m.send_id, m.sender, m.event_type, m.content, m.committed_at
            FROM to_device_device d JOIN to_device_message m ON m.device = d.id LEFT JOIN to_device_acknowledged a ON a.device = d.id
            WHERE m.sequence > coalesce(a.up_to, 0) ORDER BY d.user_id, d.device_id, m.sequence
            """))
        {
            if (row.GetInt64(2) != id) (id, device) = (row.GetInt64(2), Device(row));
            await target.AddAsync(
                new MessageEntry(
                    device, row.GetInt64(3), row.GetInt64(4), Text(row, 5), Text(row, 6), row.GetFieldValue<byte[]>(7), Time(row, 8)),
                cancellationToken);
            Sent();
        }
    }

    private async Task SendRecordsAsync(string table, CancellationToken cancellationToken)
    {
        foreach (var row in Rows(connection, $"""
            SELECT d.user_id, d.device_id, t.device, t.key, t.last_used
            FROM {table} t LEFT JOIN to_device_device d ON d.id = t.device WHERE t.device <= 0 OR d.id IS NOT NULL ORDER BY t.device
            """))
        {
            var owner = row.GetInt64(2) switch { > NoDevice => RecordOwner.Device, NoDevice => RecordOwner.NoDevice, _ => RecordOwner.OtherServer };
            var device = owner == RecordOwner.Device ? Device(row) : (StoredDevice?)null;
            await target.AddAsync(
                new RecordEntry(owner, device?.User, device?.Device, row.GetFieldValue<byte[]>(3), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(4))),
                cancellationToken);
            Sent();
        }
    }

    private async Task SendDestinationsAsync(CancellationToken cancellationToken)
    {
        // Who had taken it is not there any more.
        foreach (var row in Rows(connection, """
            SELECT w.destination, coalesce(l.sending_up_to, 0), coalesce(l.failures, 0), CASE WHEN l.holder IS NULL THEN coalesce(l.taken_until, 0) ELSE 0 END
            FROM (SELECT DISTINCT destination FROM to_device_edu) w LEFT JOIN to_device_lease l ON l.destination = w.destination ORDER BY w.destination
            """))
        {
            await target.AddAsync(
                new DestinationEntry(Text(row, 0), row.GetInt64(1), row.GetInt32(2), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(3))),
                cancellationToken);
        }
    }

    private async Task SendEdusAsync(CancellationToken cancellationToken)
    {
        foreach (var row in Rows(
            connection, "SELECT destination, position, message_id, content, committed_at FROM to_device_edu ORDER BY destination, position"))
        {
            await target.AddAsync(
                new EduEntry(
                    Text(row, 0), row.GetInt64(1), Text(row, 2), row.GetFieldValue<byte[]>(3), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(4))),
                cancellationToken);
            Sent();
        }
    }

    private static StoredDevice Device(SqliteDataReader row) =>
        new(new StoredName(Text(row, 0), IsFingerprint: false), new StoredName(Text(row, 1), IsFingerprint: false));

    private void Sent()
    {
        if (++_sent % 1024 == 0) progress.Report(_sent);
    }
}
