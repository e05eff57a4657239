using Microsoft.Data.Sqlite;

namespace Matrix.ToDevice;

/// <summary>Everything that is read, on a connection of its own: in write-ahead mode, readers and the writer do not wait for each other.</summary>
internal sealed class ReadConnection : IDisposable
{
    private readonly PreparedStatements _statements;
    private readonly Statement _page, _holds, _edus, _destinations, _hasFree;
    private readonly List<(InboxPosition Position, string Sender, string EventType, long CommittedAt, int Start, int Length)> _found = [];

    public ReadConnection(SqliteConnection connection)
    {
        _statements = new PreparedStatements(connection);
        _page = _statements.Prepare("""
            SELECT m.sequence, m.send_id, m.sender, m.event_type, m.content, m.committed_at
            FROM to_device_device d LEFT JOIN to_device_acknowledged a ON a.device = d.id
            JOIN to_device_message m ON m.device = d.id AND m.sequence > max(?3, coalesce(a.up_to, 0))
            WHERE d.user_id = ?1 AND d.device_id = ?2 ORDER BY m.sequence LIMIT ?4
            """);
        _holds = _statements.Prepare("""
            SELECT 1 FROM to_device_device d JOIN to_device_message m ON m.device = d.id
            WHERE d.user_id = ?1 AND d.device_id = ?2 AND m.sequence = ?3 AND m.send_id = ?4
                AND NOT EXISTS (SELECT 1 FROM to_device_acknowledged a WHERE a.device = d.id AND a.up_to >= ?3)
            """);
        _edus = _statements.Prepare("""
            SELECT position, message_id, content, committed_at FROM to_device_edu WHERE destination = ?1 AND position > ?2 ORDER BY position
            LIMIT ?3
            """);
        // From destination to destination by the index; DISTINCT would walk over every EDU.
        _destinations = _statements.Prepare("""
            WITH RECURSIVE next (destination) AS (
                SELECT min(destination) FROM to_device_edu WHERE destination > ?1
                UNION ALL
                SELECT (SELECT min(destination) FROM to_device_edu e WHERE e.destination > next.destination)
                FROM next WHERE destination IS NOT NULL)
            SELECT destination FROM next WHERE destination IS NOT NULL LIMIT ?2
            """);
        _hasFree = _statements.Prepare("""
            SELECT EXISTS (SELECT 1 FROM to_device_lease WHERE failures = 0 AND taken_until <= ?1)
                OR EXISTS (SELECT 1 FROM to_device_lease WHERE failures = 0 AND taken_until > ?2)
                OR EXISTS (SELECT 1 FROM to_device_lease WHERE failures > 0 AND taken_until > ?2)
                OR ?3 AND EXISTS (SELECT 1 FROM to_device_lease WHERE failures > 0 AND taken_until <= ?1)
            """);
        Measures = new Measures(_statements);
    }

    public Measures Measures { get; }

    public InboxPage ReadPage(DeviceAddress device, InboxPosition after, int limit, int maxBytes)
    {
        PageMemory? memory = null;
        _found.Clear();
        try
        {
            var hasMore = false;
            var bytes = 0L;
            // One more than asked for tells whether there are more.
            _page.Bind(device.UserId).Bind(device.DeviceId).Bind(after.Sequence).Bind(limit + 1L);
            while (_page.Step())
            {
                var content = _page.Blob(4);
                bytes += content.Length + _page.Bytes(2) + _page.Bytes(3);
                hasMore = _found.Count == limit || (_found.Count > 0 && bytes > maxBytes);
                if (hasMore) break;

                memory ??= new PageMemory();
                _found.Add((
                    new InboxPosition(_page.Int64(0), _page.Int64(1)), _page.RepeatingText(2), _page.RepeatingText(3), _page.Int64(5),
                    memory.Add(content), content.Length));
            }

            if (memory is null) return InboxPage.Empty;

            var messages = new InboxMessage[_found.Count];
            for (var i = 0; i < messages.Length; i++)
            {
                var message = _found[i];
                messages[i] = new InboxMessage(
                    message.Position, message.Sender, message.EventType, memory.Slice(message.Start, message.Length))
                {
                    CommittedAt = DateTimeOffset.FromUnixTimeMilliseconds(message.CommittedAt),
                };
            }

            return new InboxPage(messages, hasMore, memory);
        }
        catch
        {
            memory?.Dispose();
            throw;
        }
        finally
        {
            _page.Reset();
        }
    }

    /// <summary>Whether the inbox holds a message with this sequence number and send ID, which is not acknowledged.</summary>
    public bool Holds(DeviceAddress device, InboxPosition position)
    {
        try
        {
            return _holds.Bind(device.UserId).Bind(device.DeviceId).Bind(position.Sequence).Bind(position.SendId).Step();
        }
        finally
        {
            _holds.Reset();
        }
    }

    public List<OutboxEntry> ReadEdus(string destination, long after, int limit)
    {
        try
        {
            var found = new List<OutboxEntry>();
            _edus.Bind(destination).Bind(after).Bind(limit);
            while (_edus.Step())
            {
                found.Add(new OutboxEntry(
                    _edus.Int64(0), _edus.Text(1), _edus.Blob(2).ToArray(), DateTimeOffset.FromUnixTimeMilliseconds(_edus.Int64(3))));
            }

            return found;
        }
        finally
        {
            _edus.Reset();
        }
    }

    public List<string> ListDestinations(string? after, int limit)
    {
        try
        {
            var found = new List<string>();
            _destinations.Bind(after ?? "").Bind(limit);
            while (_destinations.Step()) found.Add(_destinations.Text(0));
            return found;
        }
        finally
        {
            _destinations.Reset();
        }
    }

    /// <summary>Whether a destination is free, or is to be: it is left alone until a time that is too far away.</summary>
    public bool HasFree(DateTimeOffset now, DateTimeOffset tooFar, bool withFailing)
    {
        try
        {
            _hasFree.Bind(now.ToUnixTimeMilliseconds()).Bind(tooFar.ToUnixTimeMilliseconds()).Bind(withFailing ? 1 : 0).Step();
            return _hasFree.Int64(0) != 0;
        }
        finally
        {
            _hasFree.Reset();
        }
    }

    public void Dispose() => _statements.Dispose();
}
