using System.Text;
using Microsoft.Data.Sqlite;
using static Matrix.ToDevice.Tool.SqliteQueries;

namespace Matrix.ToDevice.Tool;

/// <summary>
/// Takes everything into an empty SQLite store, in one transaction: whatever ends it before the end leaves the store empty. Until then
/// no server can open it.
/// </summary>
internal sealed class SqliteTarget : IMoveTarget
{
    // What anything could come into without having been noticed at the door.
    private static readonly string[] s_tables =
        ["device", "message", "transaction", "recent_transaction", "edu", "lease", "removed", "acknowledged"];

    private readonly string _path;
    private readonly StoreLock _lock;
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _addDevice, _findDevice, _addMessage, _addRecord, _addLease, _addEdu, _findLease, _setSendingUpTo;
    private (StoredDevice Device, long Id)? _device;
    private (long Device, long CommittedAt) _latest;
    private (string Name, long SendingUpTo, long Mapped)? _destination;

    private SqliteTarget(string path, StoreLock taken, SqliteConnection connection)
    {
        (_path, _lock, _connection) = (path, taken, connection);
        // Messages come inbox by inbox. In the store, they lie in the order of their commits: that is where those are looked for that expire.
        Execute(connection, """
            CREATE TEMP TABLE moved_message (
                device INTEGER, sequence INTEGER, send_id INTEGER, sender TEXT, event_type TEXT, content BLOB, committed_at INTEGER, latest INTEGER)
            """);
        // Texts are bound as bytes: with a NUL in it, a text would end there.
        _addDevice = Prepare(connection, "INSERT INTO to_device_device (user_id, device_id, last_sequence) VALUES (CAST(?1 AS TEXT), CAST(?2 AS TEXT), ?3)", 3);
        _findDevice = Prepare(connection, "SELECT id FROM to_device_device WHERE user_id = CAST(?1 AS TEXT) AND device_id = CAST(?2 AS TEXT)", 2);
        _addMessage = Prepare(connection, """
            INSERT INTO moved_message (device, sequence, send_id, sender, event_type, content, committed_at, latest)
            VALUES (?1, ?2, ?3, CAST(?4 AS TEXT), CAST(?5 AS TEXT), ?6, ?7, ?8)
            """, 8);
        _addRecord = Prepare(connection, "INSERT INTO to_device_transaction (device, key, last_used) VALUES (?1, ?2, ?3)", 3);
        _addLease = Prepare(
            connection, "INSERT INTO to_device_lease (destination, taken_until, sending_up_to, failures) VALUES (CAST(?1 AS TEXT), ?2, ?3, ?4)", 4);
        _addEdu = Prepare(connection, """
            INSERT INTO to_device_edu (destination, message_id, content, committed_at) VALUES (CAST(?1 AS TEXT), CAST(?2 AS TEXT), ?3, ?4) RETURNING position
            """, 4);
        _findLease = Prepare(connection, "SELECT sending_up_to FROM to_device_lease WHERE destination = CAST(?1 AS TEXT)", 1);
        _setSendingUpTo = Prepare(connection, "UPDATE to_device_lease SET sending_up_to = ?2 WHERE destination = CAST(?1 AS TEXT)", 2);
    }

    /// <summary>Opens it, and makes it when there is no file.</summary>
    /// <exception cref="ToolException">It is not empty, or in use.</exception>
    public static async Task<SqliteTarget> OpenAsync(SqliteAddress address, CancellationToken cancellationToken)
    {
        var path = RealPath.Of(address.Path);
        if (SqliteOpening.FindVersion(path) is null) await (await StoreServices.OpenAsync(address, migrate: true, cancellationToken)).DisposeAsync();
        else SqliteOpening.Read(path).Dispose();
        if (StoreLock.IsHeld(path) == true) throw ToolException.Unusable(StoreLock.InUse(path));
        var taken = StoreLock.Take(path);
        SqliteConnection? connection = null;
        try
        {
            connection = SqliteOpening.Write(path);
            Execute(connection, "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; PRAGMA fullfsync = 1;");
            Execute(connection, "BEGIN IMMEDIATE");
            if (s_tables.FirstOrDefault(table => Number(connection, $"SELECT EXISTS (SELECT 1 FROM to_device_{table})") != 0) is { } table)
                throw ToolException.Refused($"{path} is not empty: to_device_{table} has rows. What is moved needs a store of its own: name a new file.");
            return new SqliteTarget(path, taken, connection);
        }
        catch
        {
            connection?.Dispose();
            taken.Dispose();
            throw;
        }
    }

    public ValueTask AddAsync(DeviceEntry device, CancellationToken cancellationToken)
    {
        Run(_addDevice, Bytes(device.Device.User), Bytes(device.Device.Device), device.LastSequence);
        return default;
    }

    public ValueTask AddAsync(MessageEntry message, CancellationToken cancellationToken)
    {
        var (device, committedAt) = (IdOf(message.Device), message.CommittedAt?.ToUnixTimeMilliseconds() ?? 0L);
        // A clock that was set back, or a commit that waited for another one, has left an older time behind a younger one: no message
        // comes to lie before one of the same inbox that it follows.
        _latest = (device, _latest.Device == device ? Math.Max(_latest.CommittedAt, committedAt) : committedAt);
        Run(
            _addMessage, device, message.Sequence, message.SendId, Bytes(message.Sender), Bytes(message.EventType), message.Content, committedAt,
            _latest.CommittedAt);
        return default;
    }

    public ValueTask AddAsync(RecordEntry record, CancellationToken cancellationToken)
    {
        var device = record.Owner switch
        {
            RecordOwner.NoDevice => 0,
            RecordOwner.OtherServer => -1,
            _ => IdOf(new StoredDevice(record.User!.Value, record.Device!.Value)),
        };
        Run(_addRecord, device, record.Key, record.LastUsed.ToUnixTimeMilliseconds());
        return default;
    }

    public ValueTask AddAsync(DestinationEntry destination, CancellationToken cancellationToken)
    {
        Run(
            _addLease, Encoding.UTF8.GetBytes(destination.Destination), destination.FreeAt.ToUnixTimeMilliseconds(), destination.SendingUpTo, destination.Failures);
        return default;
    }

    /// <summary>Here, positions count through all destinations: what was tried last is noted by its new position.</summary>
    public ValueTask AddAsync(EduEntry edu, CancellationToken cancellationToken)
    {
        if (_destination?.Name != edu.Destination)
        {
            EndDestination();
            _destination = (edu.Destination, Find(_findLease, Encoding.UTF8.GetBytes(edu.Destination)) ?? 0, 0);
        }

        var position = Find(
            _addEdu, Encoding.UTF8.GetBytes(edu.Destination), Bytes(edu.MessageId), edu.Content, edu.CommittedAt.ToUnixTimeMilliseconds());
        var destination = _destination!.Value;
        if (edu.Position <= destination.SendingUpTo) _destination = destination with { Mapped = position!.Value };
        return default;
    }

    public ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        EndDestination();
        Execute(_connection, """
            INSERT INTO to_device_message (device, sequence, send_id, sender, event_type, content, committed_at)
            SELECT device, sequence, send_id, sender, event_type, content, committed_at FROM moved_message ORDER BY latest, device, sequence
            """);
        // It is the number of the newest message that was deleted. Where the newest one waits, the file has it in that.
        Execute(_connection, """
            UPDATE to_device_device SET last_sequence = (SELECT min(sequence) - 1 FROM to_device_message WHERE device = to_device_device.id)
            WHERE last_sequence = (SELECT max(sequence) FROM to_device_message WHERE device = to_device_device.id)
            """);
        Execute(_connection, "COMMIT");
        try
        {
            Execute(_connection, "PRAGMA wal_checkpoint(TRUNCATE)");
        }
        catch (SqliteException)
        {
            // There is no room for it yet. All is there, in the log, and whoever opens it next tries again.
        }

        return default;
    }

    public ValueTask DisposeAsync()
    {
        foreach (var command in new[] { _addDevice, _findDevice, _addMessage, _addRecord, _addLease, _addEdu, _findLease, _setSendingUpTo }) command.Dispose();
        _connection.Dispose();
        _lock.Dispose();
        return default;
    }

    private void EndDestination()
    {
        if (_destination is { } ended) Run(_setSendingUpTo, Encoding.UTF8.GetBytes(ended.Name), ended.Mapped);
    }

    private long IdOf(StoredDevice device)
    {
        if (_device is { } last && last.Device == device) return last.Id;
        var (user, name) = (Bytes(device.User), Bytes(device.Device));
        if (Find(_findDevice, user, name) is not { } id)
        {
            // A record of a device that has sent and never got a message.
            Run(_addDevice, user, name, 0L);
            id = Find(_findDevice, user, name)!.Value;
        }

        _device = (device, id);
        return id;
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private byte[] Bytes(StoredName name) => !name.IsFingerprint ? Bytes(name.Text) : throw ToolException.Refused(
        $"A user or device ID of more than 300 characters is kept as its fingerprint by PostgreSQL, and {_path} would need the ID itself. "
        + "Remove that device first; verify and inboxes show it.");
}
