using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Matrix.ToDevice;

/// <summary>Everything that is written, on the writer's own connection and thread, inside its transaction.</summary>
internal sealed class WriteConnection : IDisposable
{
    private const int MaxCachedDevices = 100_000;

    // In the place of a device's ID: a requester without one has none, and another server's EDUs are purged separately.
    private const long NoDevice = 0, OtherServer = -1;

    private readonly RecentRemovals _removed;
    private readonly TimeProvider _time;
    private readonly Dictionary<DeviceAddress, Device> _devices = [];
    private readonly sqlite3 _database;
    private readonly PreparedStatements _statements;

    private readonly TransactionRecords _records;
    private readonly Leftovers _leftovers;
    private readonly ExpiredMessages _expired;
    private readonly Statement _begin, _commit;
    private readonly Statement _findDevice, _addDevice, _deleteDevice, _addMessage, _findMessage, _take;

    public WriteConnection(SqliteConnection connection, RecentRemovals removed, TimeProvider time)
    {
        _database = connection.Handle!;
        _statements = new PreparedStatements(connection);
        _removed = removed;
        _time = time;

        _begin = _statements.Prepare("BEGIN IMMEDIATE");
        _commit = _statements.Prepare("COMMIT");
        _findDevice = _statements.Prepare("""
            SELECT d.id,
                max(d.last_sequence, coalesce(a.up_to, 0), coalesce((SELECT max(sequence) FROM to_device_message WHERE device = d.id), 0)),
                coalesce(a.up_to, (SELECT min(sequence) - 1 FROM to_device_message WHERE device = d.id), d.last_sequence)
            FROM to_device_device d LEFT JOIN to_device_acknowledged a ON a.device = d.id WHERE d.user_id = ?1 AND d.device_id = ?2
            """);
        _addDevice = _statements.Prepare("INSERT INTO to_device_device (user_id, device_id) VALUES (?1, ?2) RETURNING id");
        _deleteDevice = _statements.Prepare("DELETE FROM to_device_device WHERE id = ?1");
        _addMessage = _statements.Prepare("""
            INSERT INTO to_device_message (device, sequence, send_id, content, sender, event_type, committed_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            """);
        _findMessage = _statements.Prepare("SELECT 1 FROM to_device_message WHERE device = ?1 AND sequence = ?2 AND send_id = ?3");
        _records = new TransactionRecords(_statements);
        _leftovers = new Leftovers(_statements, _records);
        _expired = new ExpiredMessages(_statements);
        // Also when it was taken at a time that is still to come: the clock was set back.
        _take = _statements.Prepare("""
            INSERT INTO to_device_upkeep (task, taken_at) VALUES (?1, ?2) ON CONFLICT (task) DO UPDATE SET taken_at = excluded.taken_at
            WHERE taken_at <= excluded.taken_at - ?3 OR taken_at > excluded.taken_at + ?3
            """);
        Outbox = new OutboxWriter(_statements, time);
    }

    public OutboxWriter Outbox { get; }

    // IMMEDIATE: a transaction that begins as a reader can be refused the right to write later.
    public void Begin() => _begin.Execute();

    public void Commit() => _commit.Execute();

    /// <summary>How many pages have been added to the log since the last call.</summary>
    public int TakeWrittenPages()
    {
        _ = raw.sqlite3_db_status(_database, raw.SQLITE_DBSTATUS_CACHE_WRITE, out var pages, out _, resetFlg: 1);
        return pages;
    }

    /// <inheritdoc cref="SqliteFile.TryCheckpoint"/>
    public bool TryCheckpoint(out int pages) => SqliteFile.TryCheckpoint(_database, out pages);

    public CommitResult Commit(SqliteTransaction transaction)
    {
        if (NamesRemovedDevice(transaction)) return CommitResult.DeviceRemoved;

        var key = transaction.Key;
        var sender = key.Endpoint == TransactionKey.DirectToDevice ? OtherServer
            : key.DeviceId is null ? NoDevice
            : FindOrAdd(new DeviceAddress(key.UserId, key.DeviceId)).Id;
        var now = Now();
        if (!_records.Add(sender, transaction.Fingerprint, now)) return CommitResult.AlreadyCommitted;

        var messages = transaction.Messages;
        for (var i = 0; i < messages.Count; i++)
        {
            var message = messages[i];
            var device = FindOrAdd(message.Recipient);
            _addMessage.Bind(device.Id).Bind(++device.LastSequence).Bind(message.SendId).Bind(message.Content.Span)
                .BindRepeating(message.Sender).BindRepeating(message.EventType).Bind(now).Execute();
        }

        for (var i = 0; i < transaction.Edus.Count; i++) Outbox.Append(transaction.Edus[i], now);
        return CommitResult.Committed;
    }

    /// <summary>
    /// Nobody is shown the messages again from here on; <see cref="CleanUp"/> deletes them. The result is how many they are: the sequence
    /// numbers of an inbox have no gaps.
    /// </summary>
    public int Acknowledge(DeviceAddress address, InboxPosition upTo)
    {
        if (Find(address) is not { } device || upTo.Sequence <= device.Acknowledged) return 0;

        _findMessage.Bind(device.Id).Bind(upTo.Sequence).Bind(upTo.SendId);
        var found = _findMessage.Step();
        _findMessage.Reset();
        if (!found) return 0;

        _leftovers.Acknowledge(device.Id, upTo.Sequence);
        var acknowledged = upTo.Sequence - device.Acknowledged;
        device.Acknowledged = upTo.Sequence;
        return (int)Math.Min(acknowledged, int.MaxValue);
    }

    /// <summary>
    /// The same for messages that have waited for too long; their devices are not asked. The second result is where the next portion begins,
    /// null when no more are due.
    /// </summary>
    public (int Expired, long? Last) Expire(DateTimeOffset committedBefore, int atMost, long after, HashSet<long> kept)
    {
        var expired = 0L;
        long? last = after;
        foreach (var (address, upTo) in _expired.Find(committedBefore.ToUnixTimeMilliseconds(), Now(), atMost, ref last, kept))
        {
            if (Find(address) is not { } device) continue;
            _leftovers.Acknowledge(device.Id, upTo);
            expired += upTo - device.Acknowledged;
            device.Acknowledged = upTo;
        }

        return ((int)expired, last);
    }

    /// <summary>Whether a send with this key was committed.</summary>
    public bool IsCommitted(in TransactionKey key)
    {
        var sender = key.Endpoint == TransactionKey.DirectToDevice ? OtherServer
            : key.DeviceId is null ? NoDevice
            : Find(new DeviceAddress(key.UserId, key.DeviceId))?.Id;
        return sender is { } id && _records.Contains(id, key.Fingerprint());
    }

    /// <summary>Takes a task that was not taken for an interval.</summary>
    public bool Take(string task, TimeSpan interval) => _take.Bind(task).Bind(Now()).Bind((long)interval.TotalMilliseconds).Execute() > 0;

    /// <summary>
    /// Ends a device. Its ID is what its rows hang on: without it, nobody finds them, and <see cref="CleanUp"/> deletes
    /// them in small portions.
    /// </summary>
    public bool RemoveDevice(DeviceAddress address)
    {
        _removed.Add(address);
        if (Find(address) is not { } device) return false;

        _leftovers.Remove(device.Id);
        _deleteDevice.Bind(device.Id).Execute();
        _devices.Remove(address);
        return true;
    }

    /// <inheritdoc cref="Leftovers.Delete"/>
    public bool CleanUp(int atMost) => _leftovers.Delete(atMost);

    /// <inheritdoc cref="TransactionRecords.Purge"/>
    public int Purge(string endpoint, DateTimeOffset lastUsedBefore, int atMost) => _records.Purge(endpoint, lastUsedBefore, atMost);

    public void Dispose() => _statements.Dispose();

    private long Now() => _time.GetUtcNow().ToUnixTimeMilliseconds();

    private bool NamesRemovedDevice(SqliteTransaction transaction)
    {
        var after = transaction.KnownRemovals;
        if (_removed.Last <= after) return false;

        var key = transaction.Key;
        if (key.DeviceId is not null && _removed.MayName(new DeviceAddress(key.UserId, key.DeviceId), after)) return true;
        for (var i = 0; i < transaction.Messages.Count; i++)
            if (_removed.MayName(transaction.Messages[i].Recipient, after)) return true;

        return false;
    }

    private Device FindOrAdd(DeviceAddress address)
    {
        if (Find(address) is { } known) return known;

        _addDevice.Bind(address.UserId).Bind(address.DeviceId).Step();
        var device = new Device(_addDevice.Int64(0));
        _addDevice.Reset();
        return Cache(address, device);
    }

    private Device? Find(DeviceAddress address)
    {
        if (_devices.TryGetValue(address, out var cached)) return cached;

        Device? device = null;
        if (_findDevice.Bind(address.UserId).Bind(address.DeviceId).Step())
            device = Cache(address, new Device(_findDevice.Int64(0)) { LastSequence = _findDevice.Int64(1), Acknowledged = _findDevice.Int64(2) });
        _findDevice.Reset();
        return device;
    }

    private Device Cache(DeviceAddress address, Device device)
    {
        if (_devices.Count >= MaxCachedDevices) _devices.Clear();
        _devices.Add(address, device);
        return device;
    }

    /// <summary>
    /// A device's row. The last sequence number counts on here; the file has it in the newest message, in the device's acknowledgement, or in
    /// the device's row when both have been deleted.
    /// </summary>
    private sealed class Device(long id)
    {
        public long Id => id;
        public long LastSequence { get; set; }

        /// <summary>Up to which sequence number all messages are acknowledged: what comes next is the oldest that waits.</summary>
        public long Acknowledged { get; set; }
    }
}
