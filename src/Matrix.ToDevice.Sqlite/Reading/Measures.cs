namespace Matrix.ToDevice;

/// <summary>
/// Counts what waits, by narrow rows and without contents. Numbers in an inbox have no gaps: how many wait is told by the first and the last
/// one, and the oldest of all messages has the smallest ID. In portions, each of them one look: a reader that is long at it keeps the
/// log from beginning anew.
/// </summary>
internal sealed class Measures
{
    /// <summary>The inboxes or destinations of a portion.</summary>
    public const int AtOnce = 10_000;

    private readonly Statement _inboxes, _destinations, _inbox, _lengths;

    public Measures(PreparedStatements statements)
    {
        // From inbox to inbox by the index.
        _inboxes = statements.Prepare("""
            WITH RECURSIVE next (device) AS (
                SELECT min(device) FROM to_device_message WHERE device > ?1
                UNION ALL
                SELECT (SELECT min(m.device) FROM to_device_message m WHERE m.device > next.device) FROM next WHERE next.device IS NOT NULL
                LIMIT ?2),
            inbox AS MATERIALIZED (
                SELECT next.device,
                    (SELECT max(m.sequence) FROM to_device_message m WHERE m.device = next.device) AS last,
                    CASE WHEN r.device IS NULL THEN (
                        SELECT min(m.sequence) FROM to_device_message m WHERE m.device = next.device AND m.sequence > coalesce(a.up_to, 0)) END AS first,
                    CASE WHEN r.device IS NULL THEN (
                        SELECT m.id FROM to_device_message m WHERE m.device = next.device AND m.sequence > coalesce(a.up_to, 0)
                        ORDER BY m.sequence LIMIT 1) END AS id
                FROM next LEFT JOIN to_device_acknowledged a ON a.device = next.device LEFT JOIN to_device_removed r ON r.device = next.device
                WHERE next.device IS NOT NULL)
            SELECT found.*, (SELECT committed_at FROM to_device_message WHERE id = found.oldest)
            FROM (SELECT max(device), count(*), count(first), coalesce(sum(last - first + 1), 0), coalesce(max(last - first + 1), 0), min(id) AS oldest
                  FROM inbox) found
            """);
        _destinations = statements.Prepare("""
            SELECT waiting.destination, waiting.edus, (SELECT committed_at FROM to_device_edu WHERE position = waiting.first),
                coalesce((SELECT failures FROM to_device_lease l WHERE l.destination = waiting.destination), 0)
            FROM (SELECT destination, count(*) AS edus, min(position) AS first FROM to_device_edu WHERE destination > ?1
                  GROUP BY destination ORDER BY destination LIMIT ?2) waiting
            """);
        _inbox = statements.Prepare("""
            SELECT d.id, coalesce(a.up_to, 0), (SELECT max(m.sequence) FROM to_device_message m WHERE m.device = d.id),
                (SELECT min(m.sequence) FROM to_device_message m WHERE m.device = d.id AND m.sequence > coalesce(a.up_to, 0))
            FROM to_device_device d LEFT JOIN to_device_acknowledged a ON a.device = d.id WHERE d.user_id = ?1 AND d.device_id = ?2
            """);
        _lengths = statements.Prepare("SELECT length(content) FROM to_device_message WHERE device = ?1 AND sequence > ?2 ORDER BY sequence");
    }

    /// <summary>Adds a portion of the inboxes to what has been found; the result is the device of the last one, null behind the end.</summary>
    public long? AddInboxes(long after, ref StoreStatistics found)
    {
        try
        {
            _inboxes.Bind(after).Bind(AtOnce).Step();
            var oldest = _inboxes.Int64(5) == 0 ? null : (DateTimeOffset?)DateTimeOffset.FromUnixTimeMilliseconds(_inboxes.Int64(6));
            found = found with
            {
                Inboxes = found.Inboxes + _inboxes.Int64(2),
                Messages = found.Messages + _inboxes.Int64(3),
                LargestInbox = Math.Max(found.LargestInbox, _inboxes.Int64(4)),
                OldestMessage = Earlier(found.OldestMessage, oldest),
            };
            return _inboxes.Int64(1) < AtOnce ? null : _inboxes.Int64(0);
        }
        finally
        {
            _inboxes.Reset();
        }
    }

    /// <summary>The same for destinations.</summary>
    public string? AddDestinations(string after, ref StoreStatistics found)
    {
        try
        {
            var count = 0;
            var last = after;
            for (_destinations.Bind(after).Bind(AtOnce); _destinations.Step(); count++)
            {
                last = _destinations.Text(0);
                var oldest = DateTimeOffset.FromUnixTimeMilliseconds(_destinations.Int64(2));
                found = _destinations.Int64(3) == 0
                    ? found with { Working = Add(found.Working, _destinations.Int64(1), oldest) }
                    : found with { Failing = Add(found.Failing, _destinations.Int64(1), oldest) };
            }

            return count < AtOnce ? null : last;
        }
        finally
        {
            _destinations.Reset();
        }
    }

    /// <summary>The size of an inbox. Lengths cost a look at each row: they are left out where there are messages enough without.</summary>
    public InboxSize Measure(DeviceAddress device, InboxSize upTo)
    {
        try
        {
            if (!_inbox.Bind(device.UserId).Bind(device.DeviceId).Step() || _inbox.Int64(3) == 0) return default;
            var messages = _inbox.Int64(2) - _inbox.Int64(3) + 1;
            return new InboxSize(messages, messages >= upTo.Messages || upTo.Bytes == 0 ? 0 : Bytes(_inbox.Int64(0), _inbox.Int64(1), upTo.Bytes));
        }
        finally
        {
            _inbox.Reset();
        }
    }

    private long Bytes(long device, long after, long upTo)
    {
        try
        {
            var bytes = 0L;
            _lengths.Bind(device).Bind(after);
            while (bytes < upTo && _lengths.Step()) bytes += _lengths.Int64(0);
            return bytes;
        }
        finally
        {
            _lengths.Reset();
        }
    }

    private static OutboxStatistics Add(OutboxStatistics found, long edus, DateTimeOffset oldest) =>
        new(found.Destinations + 1, found.Edus + edus, Earlier(found.OldestEdu, oldest));

    private static DateTimeOffset? Earlier(DateTimeOffset? one, DateTimeOffset? other) => one < other || other is null ? one : other;
}
