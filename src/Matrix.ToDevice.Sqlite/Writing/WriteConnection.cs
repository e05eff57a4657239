using System.Buffers.Binary;
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

    private readonly Statement _begin, _commit;
    private readonly Statement _findDevice, _addDevice, _setLastSequence, _deleteDevice;
    private readonly Statement _addMessage, _findMessage, _deleteMessages;
    private readonly Statement _addTransaction, _useTransaction, _purgeSends, _purgeEdus;
    private readonly Statement _addRemoved, _findRemoved, _deleteRemoved, _cleanMessages, _cleanTransactions;

    public WriteConnection(SqliteConnection connection, RecentRemovals removed, TimeProvider time)
    {
        _database = connection.Handle!;
        _statements = new PreparedStatements(connection);
        _removed = removed;
        _time = time;

        _begin = _statements.Prepare("BEGIN IMMEDIATE");
        _commit = _statements.Prepare("COMMIT");
        _findDevice = _statements.Prepare("""
            SELECT d.id, max(d.last_sequence, coalesce((SELECT max(m.sequence) FROM to_device_message m WHERE m.device = d.id), 0))
            FROM to_device_device d WHERE d.user_id = ?1 AND d.device_id = ?2
            """);
        _addDevice = _statements.Prepare("INSERT INTO to_device_device (user_id, device_id) VALUES (?1, ?2) RETURNING id");
        _setLastSequence = _statements.Prepare("UPDATE to_device_device SET last_sequence = max(last_sequence, ?2) WHERE id = ?1");
        _deleteDevice = _statements.Prepare("DELETE FROM to_device_device WHERE id = ?1");
        _addMessage = _statements.Prepare("""
            INSERT INTO to_device_message (device, sequence, send_id, content, sender, event_type) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            """);
        _findMessage = _statements.Prepare("SELECT 1 FROM to_device_message WHERE device = ?1 AND sequence = ?2 AND send_id = ?3");
        _deleteMessages = _statements.Prepare("DELETE FROM to_device_message WHERE device = ?1 AND sequence <= ?2");
        _addTransaction = _statements.Prepare("INSERT OR IGNORE INTO to_device_transaction (device, key, last_used) VALUES (?1, ?2, ?3)");
        _useTransaction = _statements.Prepare("UPDATE to_device_transaction SET last_used = max(last_used, ?3) WHERE device = ?1 AND key = ?2");
        _purgeSends = _statements.Prepare("""
            DELETE FROM to_device_transaction WHERE (device, key) IN (
                SELECT device, key FROM to_device_transaction WHERE device >= 0 AND last_used < ?1 ORDER BY last_used LIMIT ?2)
            """);
        _purgeEdus = _statements.Prepare("""
            DELETE FROM to_device_transaction WHERE (device, key) IN (
                SELECT device, key FROM to_device_transaction WHERE device < 0 AND last_used < ?1 ORDER BY last_used LIMIT ?2)
            """);
        _addRemoved = _statements.Prepare("INSERT INTO to_device_removed (device) VALUES (?1)");
        _findRemoved = _statements.Prepare("SELECT device FROM to_device_removed LIMIT 1");
        _deleteRemoved = _statements.Prepare("DELETE FROM to_device_removed WHERE device = ?1");
        _cleanMessages = _statements.Prepare("""
            DELETE FROM to_device_message WHERE id IN (SELECT id FROM to_device_message WHERE device = ?1 LIMIT ?2)
            """);
        _cleanTransactions = _statements.Prepare("""
            DELETE FROM to_device_transaction WHERE device = ?1 AND key IN (
                SELECT key FROM to_device_transaction WHERE device = ?1 LIMIT ?2)
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
        var now = _time.GetUtcNow().ToUnixTimeMilliseconds();
        Span<byte> fingerprint = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(fingerprint, transaction.Fingerprint);
        if (_addTransaction.Bind(sender).Bind(fingerprint).Bind(now).Execute() == 0)
        {
            _useTransaction.Bind(sender).Bind(fingerprint).Bind(now).Execute();
            return CommitResult.AlreadyCommitted;
        }

        foreach (var messages in transaction.Messages)
        {
            for (var i = 0; i < messages.Count; i++)
            {
                var message = messages[i];
                var device = FindOrAdd(message.Recipient);
                _addMessage.Bind(device.Id).Bind(++device.LastSequence).Bind(message.SendId).Bind(message.Content.Span)
                    .BindRepeating(message.Sender).BindRepeating(message.EventType).Execute();
            }
        }

        foreach (var edus in transaction.Edus)
        {
            for (var i = 0; i < edus.Count; i++) Outbox.Append(edus[i], now);
        }

        return CommitResult.Committed;
    }

    public int Acknowledge(DeviceAddress address, InboxPosition upTo)
    {
        if (Find(address) is not { } device) return 0;

        _findMessage.Bind(device.Id).Bind(upTo.Sequence).Bind(upTo.SendId);
        var found = _findMessage.Step();
        _findMessage.Reset();
        if (!found) return 0;

        // The number is saved in the step that deletes the row it could be told from.
        _setLastSequence.Bind(device.Id).Bind(upTo.Sequence).Execute();
        return _deleteMessages.Bind(device.Id).Bind(upTo.Sequence).Execute();
    }

    /// <summary>
    /// Ends a device. Its ID is what its rows hang on: without it, nobody finds them, and <see cref="CleanUp"/> deletes
    /// them in small portions.
    /// </summary>
    public bool RemoveDevice(DeviceAddress address)
    {
        _removed.Add(address);
        if (Find(address) is not { } device) return false;

        _addRemoved.Bind(device.Id).Execute();
        _deleteDevice.Bind(device.Id).Execute();
        _devices.Remove(address);
        return true;
    }

    /// <summary>Deletes some rows of a removed device; false when there were none left of any.</summary>
    public bool CleanUp(int atMost)
    {
        var found = _findRemoved.Step();
        var device = found ? _findRemoved.Int64(0) : 0;
        _findRemoved.Reset();
        if (!found) return false;

        var messages = _cleanMessages.Bind(device).Bind(atMost).Execute();
        var transactions = _cleanTransactions.Bind(device).Bind(atMost).Execute();
        if (messages < atMost && transactions < atMost) _deleteRemoved.Bind(device).Execute();
        return true;
    }

    public int Purge(string endpoint, DateTimeOffset lastUsedBefore, int atMost)
    {
        var purge = endpoint == TransactionKey.DirectToDevice ? _purgeEdus : _purgeSends;
        return purge.Bind(lastUsedBefore.ToUnixTimeMilliseconds()).Bind(atMost).Execute();
    }

    public void Dispose() => _statements.Dispose();

    private bool NamesRemovedDevice(SqliteTransaction transaction)
    {
        var after = transaction.KnownRemovals;
        if (_removed.Last <= after) return false;

        var key = transaction.Key;
        if (key.DeviceId is not null && _removed.MayName(new DeviceAddress(key.UserId, key.DeviceId), after)) return true;
        foreach (var messages in transaction.Messages)
        {
            for (var i = 0; i < messages.Count; i++)
                if (_removed.MayName(messages[i].Recipient, after)) return true;
        }

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
            device = Cache(address, new Device(_findDevice.Int64(0)) { LastSequence = _findDevice.Int64(1) });
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
    /// A device's row. The last sequence number counts on here; the file has it in the newest message, or in the device's
    /// row when that has been deleted.
    /// </summary>
    private sealed class Device(long id)
    {
        public long Id => id;
        public long LastSequence { get; set; }
    }
}
