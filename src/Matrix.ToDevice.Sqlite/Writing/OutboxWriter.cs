namespace Matrix.ToDevice;

/// <summary>The EDUs that wait for other servers, and who sends them: what is written of them.</summary>
internal sealed class OutboxWriter
{
    private const int MaxCachedDestinations = 100_000, MostForgotten = 1000;

    private const string FoundLease = """
        SELECT l.destination, l.sending_up_to, l.failures, EXISTS (SELECT 1 FROM to_device_edu e WHERE e.destination = l.destination)

        """;

    private readonly TimeProvider _time;
    private readonly Statement _addEdu, _deleteEdu;
    private readonly Statement _addLease, _findFree, _findFailing, _findThis, _endLongPauses, _take, _renew, _release, _isEmpty, _forget, _drop, _freeAll;

    // Destinations that have something waiting, so that a send need not look.
    private readonly HashSet<string> _waiting = [];

    public OutboxWriter(PreparedStatements statements, TimeProvider time)
    {
        _time = time;
        _addEdu = statements.Prepare("INSERT INTO to_device_edu (destination, message_id, content, committed_at) VALUES (?1, ?2, ?3, ?4)");
        _deleteEdu = statements.Prepare("DELETE FROM to_device_edu WHERE position = ?1 AND destination = ?2 AND message_id = ?3");
        // Free since now: what was emptied and gets something again stands behind those that have waited.
        _addLease = statements.Prepare("""
            INSERT INTO to_device_lease (destination, taken_until) VALUES (?1, ?2)
            ON CONFLICT (destination) DO UPDATE SET taken_until = max(taken_until, excluded.taken_until)
            WHERE NOT EXISTS (SELECT 1 FROM to_device_edu e WHERE e.destination = excluded.destination)
            """);
        _findFree = statements.Prepare(FoundLease + "FROM to_device_lease l WHERE l.failures = 0 AND l.taken_until <= ?1 ORDER BY l.taken_until");
        _findFailing = statements.Prepare(FoundLease + "FROM to_device_lease l WHERE l.failures > 0 AND l.taken_until <= ?1 ORDER BY l.taken_until");
        _findThis = statements.Prepare(FoundLease + "FROM to_device_lease l WHERE l.destination = ?2 AND l.failures = 0 AND l.taken_until <= ?1");
        // The condition on failures is for the indexes.
        _endLongPauses = statements.Prepare("""
            UPDATE to_device_lease SET taken_until = ?1 WHERE failures = 0 AND taken_until > ?2 OR failures > 0 AND taken_until > ?2
            """);
        _take = statements.Prepare("UPDATE to_device_lease SET holder = ?2, taken_until = ?3 WHERE destination = ?1");
        _renew = statements.Prepare(
            "UPDATE to_device_lease SET taken_until = ?3, sending_up_to = ?4 WHERE destination = ?1 AND holder = ?2");
        _release = statements.Prepare(
            "UPDATE to_device_lease SET holder = NULL, failures = ?3, taken_until = ?4 WHERE destination = ?1 AND holder = ?2");
        _isEmpty = statements.Prepare("SELECT NOT EXISTS (SELECT 1 FROM to_device_edu WHERE destination = ?1)");
        _forget = statements.Prepare("DELETE FROM to_device_lease WHERE destination = ?1 AND holder IS NULL");
        _drop = statements.Prepare("DELETE FROM to_device_lease WHERE destination = ?1");
        _freeAll = statements.Prepare("UPDATE to_device_lease SET holder = NULL, taken_until = min(taken_until, ?1) WHERE holder IS NOT NULL");
    }

    public void Append(in OutboundEdu edu, long now)
    {
        if (!_waiting.Contains(edu.Destination))
        {
            _addLease.Bind(edu.Destination).Bind(now).Execute();
            if (_waiting.Count >= MaxCachedDestinations) _waiting.Clear();
            _waiting.Add(edu.Destination);
        }

        _addEdu.Bind(edu.Destination).Bind(edu.MessageId).Bind(edu.Content.Span).Bind(now).Execute();
    }

    public int Remove(string destination, IReadOnlyList<OutboxEntry> edus)
    {
        var removed = 0;
        foreach (var edu in edus) removed += _deleteEdu.Bind(edu.Position).Bind(destination).Bind(edu.MessageId).Execute();
        ForgetIfEmpty(destination);
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
            // Their holders have not come back.
            _drop.Bind(destination).Execute();
            _waiting.Remove(destination);
        }

        return free;

        void Find(Statement statement, int upTo)
        {
            statement.Bind(now);
            while (free.Count < upTo && empty.Count < MostForgotten && statement.Step())
            {
                if (statement.Int64(3) != 0) free.Add(new OutboxLease(statement.Text(0), statement.Int64(1), (int)statement.Int64(2)));
                else empty.Add(statement.Text(0));
            }

            statement.Reset();
        }
    }

    public IReadOnlyList<OutboxLease> Acquire(IReadOnlyList<string> destinations, string holder, TimeSpan duration)
    {
        var now = Now();
        List<OutboxLease> free = [];
        foreach (var destination in destinations)
        {
            _findThis.Bind(now).Bind(destination);
            if (_findThis.Step() && _findThis.Int64(3) != 0) free.Add(new OutboxLease(destination, _findThis.Int64(1), 0));
            _findThis.Reset();
        }

        foreach (var lease in free) _take.Bind(lease.Destination).Bind(holder).Bind(now + Milliseconds(duration)).Execute();
        return free;
    }

    public bool Renew(string destination, string holder, TimeSpan duration, long sendingUpTo) =>
        _renew.Bind(destination).Bind(holder).Bind(Now() + Milliseconds(duration)).Bind(sendingUpTo).Execute() > 0;

    public int Release(string destination, string holder, int failures, TimeSpan pause)
    {
        var released = _release.Bind(destination).Bind(holder).Bind(failures).Bind(Now() + Milliseconds(pause)).Execute();
        ForgetIfEmpty(destination);
        return released;
    }

    /// <summary>Frees what a process that has ended had taken. What it was sending is noted still.</summary>
    public int FreeAll() => _freeAll.Bind(Now()).Execute();

    private void ForgetIfEmpty(string destination)
    {
        if (!IsEmpty(destination)) return;

        _forget.Bind(destination).Execute();
        _waiting.Remove(destination);
    }

    private bool IsEmpty(string destination)
    {
        try
        {
            _isEmpty.Bind(destination).Step();
            return _isEmpty.Int64(0) != 0;
        }
        finally
        {
            _isEmpty.Reset();
        }
    }

    private long Now() => _time.GetUtcNow().ToUnixTimeMilliseconds();

    private static long Milliseconds(TimeSpan span) => (long)span.TotalMilliseconds;
}
