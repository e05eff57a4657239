using System.Buffers.Binary;

namespace Matrix.ToDevice;

/// <summary>
/// Which sends were committed. New records are appended, and looked up in memory. When there are thousands, they are sorted in among the
/// others, a part of them in a commit, neighbours together: those share the pages that this changes, and no commit changes thousands.
/// </summary>
internal sealed class TransactionRecords
{
    private const int MaxRecent = 8192, MovedAtOnce = 1024, KeyBytes = 16;

    private readonly Statement _addRecent, _useRecent, _use, _find, _moveOne, _deleteOne, _moveAll, _deleteAll, _deleteRecentOfDevice;
    private readonly Statement _purgeSends, _purgeEdus, _deleteOfDevice;
    private readonly Dictionary<(long Device, UInt128 Key), long> _recent = [];

    // Those that are moved next, in the order of their keys.
    private readonly Queue<(long Device, UInt128 Key)> _moving = [];
    private long _lastId;

    // When the oldest of the recent ones was added, or before; it may have been used since.
    private long _oldest = long.MaxValue;
    private long? _ordered;

    public TransactionRecords(PreparedStatements statements)
    {
        _addRecent = statements.Prepare("INSERT INTO to_device_recent_transaction (id, device, key, last_used) VALUES (?1, ?2, ?3, ?4)");
        _useRecent = statements.Prepare("UPDATE to_device_recent_transaction SET last_used = max(last_used, ?2) WHERE id = ?1");
        _use = statements.Prepare("UPDATE to_device_transaction SET last_used = max(last_used, ?3) WHERE device = ?1 AND key = ?2");
        _find = statements.Prepare("SELECT 1 FROM to_device_transaction WHERE device = ?1 AND key = ?2");
        _moveOne = statements.Prepare("""
            INSERT INTO to_device_transaction (device, key, last_used)
            SELECT device, key, last_used FROM to_device_recent_transaction WHERE id = ?1
            """);
        _deleteOne = statements.Prepare("DELETE FROM to_device_recent_transaction WHERE id = ?1");
        _moveAll = statements.Prepare("""
            INSERT INTO to_device_transaction (device, key, last_used)
            SELECT device, key, last_used FROM to_device_recent_transaction ORDER BY device, key
            """);
        _deleteAll = statements.Prepare("DELETE FROM to_device_recent_transaction");
        _deleteRecentOfDevice = statements.Prepare("DELETE FROM to_device_recent_transaction WHERE device = ?1");
        _purgeSends = statements.Prepare("""
            DELETE FROM to_device_transaction WHERE (device, key) IN (
                SELECT device, key FROM to_device_transaction WHERE device >= 0 AND last_used < ?1 ORDER BY last_used LIMIT ?2)
            """);
        _purgeEdus = statements.Prepare("""
            DELETE FROM to_device_transaction WHERE (device, key) IN (
                SELECT device, key FROM to_device_transaction WHERE device < 0 AND last_used < ?1 ORDER BY last_used LIMIT ?2)
            """);
        _deleteOfDevice = statements.Prepare("""
            DELETE FROM to_device_transaction WHERE device = ?1 AND key IN (
                SELECT key FROM to_device_transaction WHERE device = ?1 LIMIT ?2)
            """);
        try
        {
            ReadRecent(statements.Prepare("SELECT id, device, key, last_used FROM to_device_recent_transaction"));
        }
        catch
        {
            statements.Dispose();
            throw;
        }
    }

    /// <summary>Adds a record; false when there is one, which counts as used now.</summary>
    public bool Add(long device, UInt128 key, long now)
    {
        if (_recent.TryGetValue((device, key), out var id))
        {
            _useRecent.Bind(id).Bind(now).Execute();
            return false;
        }

        Span<byte> bytes = stackalloc byte[KeyBytes];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, key);
        if (_use.Bind(device).Bind(bytes).Bind(now).Execute() > 0) return false;

        if (_recent.Count >= MaxRecent) MoveSome(now);
        _addRecent.Bind(++_lastId).Bind(device).Bind(bytes).Bind(now).Execute();
        _recent.Add((device, key), _lastId);
        _oldest = Math.Min(_oldest, now);
        return true;
    }

    /// <summary>Whether there is a record. That is no use of it.</summary>
    public bool Contains(long device, UInt128 key)
    {
        if (_recent.ContainsKey((device, key))) return true;

        Span<byte> bytes = stackalloc byte[KeyBytes];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, key);
        try
        {
            return _find.Bind(device).Bind(bytes).Step();
        }
        finally
        {
            _find.Reset();
        }
    }

    public int Purge(string endpoint, DateTimeOffset lastUsedBefore, int atMost)
    {
        var before = lastUsedBefore.ToUnixTimeMilliseconds();
        if (_oldest < before) MoveAll();
        return (endpoint == TransactionKey.DirectToDevice ? _purgeEdus : _purgeSends).Bind(before).Bind(atMost).Execute();
    }

    /// <summary>Deletes records of a device; the result is how many.</summary>
    public int Delete(long device, int atMost)
    {
        // Not moved first: everybody else's would be, with each device that is removed.
        var recent = _recent.Keys.Where(record => record.Device == device).ToList();
        if (recent.Count > 0) _deleteRecentOfDevice.Bind(device).Execute();
        foreach (var record in recent) _recent.Remove(record);
        return _deleteOfDevice.Bind(device).Bind(atMost).Execute();
    }

    private void MoveSome(long now)
    {
        if (_moving.Count == 0)
        {
            // What was there when they were put in order the last time has been moved.
            (_oldest, _ordered) = (_ordered ?? _oldest, now);
            foreach (var record in _recent.Keys.Order()) _moving.Enqueue(record);
        }

        for (var moved = 0; moved < MovedAtOnce && _moving.TryDequeue(out var record);)
        {
            // A device that was removed has taken its own along.
            if (!_recent.Remove(record, out var id)) continue;
            _moveOne.Bind(id).Execute();
            _deleteOne.Bind(id).Execute();
            moved++;
        }
    }

    private void MoveAll()
    {
        _moveAll.Execute();
        _deleteAll.Execute();
        _recent.Clear();
        _moving.Clear();
        (_lastId, _oldest, _ordered) = (0, long.MaxValue, null);
    }

    private void ReadRecent(Statement all)
    {
        while (all.Step())
        {
            _lastId = Math.Max(_lastId, all.Int64(0));
            _recent.Add((all.Int64(1), BinaryPrimitives.ReadUInt128BigEndian(all.Blob(2))), all.Int64(0));
            _oldest = Math.Min(_oldest, all.Int64(3));
        }

        all.Reset();
    }
}
