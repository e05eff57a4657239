namespace Matrix.ToDevice;

/// <summary>The EDUs that wait for other servers, and who sends them: what is written of them.</summary>
internal sealed class OutboxWriter
{
    private const int MaxCachedDestinations = 100_000;

    private readonly TimeProvider _time;
    private readonly Statement _addEdu, _deleteEdu;
    private readonly Statement _addLease, _findFree, _findFailing, _endLongPauses, _take, _renew, _release, _forget, _drop, _freeAll;

    // Destinations that have a row, so that a send need not look.
    private readonly HashSet<string> _known = [];

    public OutboxWriter(PreparedStatements statements, TimeProvider time)
    {
        _time = time;
        _addEdu = statements.Prepare("INSERT INTO to_device_edu (destination, message_id, content, committed_at) VALUES (?1, ?2, ?3, ?4)");
        _deleteEdu = statements.Prepare("DELETE FROM to_device_edu WHERE position = ?1 AND destination = ?2 AND message_id = ?3");
        _addLease = statements.Prepare("INSERT OR IGNORE INTO to_device_lease (destination, taken_until) VALUES (?1, ?2)");
        _findFree = statements.Prepare(FindFree("failures = 0"));
        _findFailing = statements.Prepare(FindFree("failures > 0"));
        // The condition on failures is for the indexes.
        _endLongPauses = statements.Prepare("""
            UPDATE to_device_lease SET taken_until = ?1 WHERE failures = 0 AND taken_until > ?2 OR failures > 0 AND taken_until > ?2
            """);
        _take = statements.Prepare("UPDATE to_device_lease SET holder = ?2, taken_until = ?3 WHERE destination = ?1");
        _renew = statements.Prepare(
            "UPDATE to_device_lease SET taken_until = ?3, sending_up_to = ?4 WHERE destination = ?1 AND holder = ?2");
        _release = statements.Prepare(
            "UPDATE to_device_lease SET holder = NULL, failures = ?3, taken_until = ?4 WHERE destination = ?1 AND holder = ?2");
        _forget = statements.Prepare("""
            DELETE FROM to_device_lease WHERE destination = ?1 AND holder IS NULL
            AND NOT EXISTS (SELECT 1 FROM to_device_edu e WHERE e.destination = ?1)
            """);
        _drop = statements.Prepare("DELETE FROM to_device_lease WHERE destination = ?1");
        _freeAll = statements.Prepare("UPDATE to_device_lease SET holder = NULL, taken_until = 0 WHERE holder IS NOT NULL");
    }

    public void Append(in OutboundEdu edu, long now)
    {
        if (!_known.Contains(edu.Destination))
        {
            // Free since now: what was emptied and gets something again stands behind those that have waited.
            _addLease.Bind(edu.Destination).Bind(now).Execute();
            if (_known.Count >= MaxCachedDestinations) _known.Clear();
            _known.Add(edu.Destination);
        }

        _addEdu.Bind(edu.Destination).Bind(edu.MessageId).Bind(edu.Content.Span).Bind(now).Execute();
    }

    public int Remove(string destination, IReadOnlyList<OutboxEntry> edus)
    {
        var removed = 0;
        foreach (var edu in edus) removed += _deleteEdu.Bind(edu.Position).Bind(destination).Bind(edu.MessageId).Execute();
        Forget(destination);
        return removed;
    }

    public IReadOnlyList<OutboxLease> Acquire(string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause)
    {
        var now = Now();
        // A clock was set back.
        _endLongPauses.Bind(now).Bind(now + Milliseconds(longestPause)).Execute();
        List<OutboxLease> free = [];
        List<string> empty = [];
        Find(_findFree, limit);
        Find(_findFailing, Math.Min(limit, free.Count + failingLimit));
        foreach (var lease in free) _take.Bind(lease.Destination).Bind(holder).Bind(now + Milliseconds(duration)).Execute();
        foreach (var destination in empty)
        {
            _drop.Bind(destination).Execute();
            _known.Remove(destination);
        }

        return free;

        void Find(Statement statement, int upTo)
        {
            statement.Bind(now);
            while (free.Count < upTo && statement.Step())
            {
                if (statement.Int64(3) != 0) free.Add(new OutboxLease(statement.Text(0), statement.Int64(1), (int)statement.Int64(2)));
                else empty.Add(statement.Text(0));
            }

            statement.Reset();
        }
    }

    public bool Renew(string destination, string holder, TimeSpan duration, long sendingUpTo) =>
        _renew.Bind(destination).Bind(holder).Bind(Now() + Milliseconds(duration)).Bind(sendingUpTo).Execute() > 0;

    public int Release(string destination, string holder, int failures, TimeSpan pause)
    {
        var released = _release.Bind(destination).Bind(holder).Bind(failures).Bind(Now() + Milliseconds(pause)).Execute();
        Forget(destination);
        return released;
    }

    /// <summary>Frees what a process that has ended had taken. What it was sending is noted still.</summary>
    public int FreeAll() => _freeAll.Execute();

    private static string FindFree(string which) => $"""
        SELECT l.destination, l.sending_up_to, l.failures, EXISTS (SELECT 1 FROM to_device_edu e WHERE e.destination = l.destination)
        FROM to_device_lease l WHERE l.{which} AND l.taken_until <= ?1 ORDER BY l.taken_until
        """;

    private void Forget(string destination)
    {
        if (_forget.Bind(destination).Execute() > 0) _known.Remove(destination);
    }

    private long Now() => _time.GetUtcNow().ToUnixTimeMilliseconds();

    private static long Milliseconds(TimeSpan span) => (long)span.TotalMilliseconds;
}
