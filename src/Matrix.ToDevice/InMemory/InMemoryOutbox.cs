namespace Matrix.ToDevice;

/// <summary>The EDUs that wait for each destination, and who sends them. Not thread-safe: its store locks.</summary>
internal sealed class InMemoryOutbox
{
    private readonly SortedList<string, Destination> _destinations = new(StringComparer.Ordinal);
    private long _lastPosition;

    public void Append(string destination, string messageId, byte[] content, DateTimeOffset now)
    {
        // Free since now: what was emptied and gets something again stands behind those that have waited.
        if (!_destinations.TryGetValue(destination, out var found)) _destinations.Add(destination, found = new() { TakenUntil = now });
        found.Waiting.Enqueue(new OutboxEntry(++_lastPosition, messageId, content, now));
    }

    public List<OutboxEntry> Read(string destination, int limit) =>
        _destinations.TryGetValue(destination, out var found) ? [.. found.Waiting.Take(limit)] : [];

    /// <summary>Removes the EDUs up to a position, and returns how many there were and how many bytes they had.</summary>
    public (int Count, long Bytes) Remove(string destination, long upTo)
    {
        if (!_destinations.TryGetValue(destination, out var found)) return default;

        var count = 0;
        var bytes = 0L;
        while (found.Waiting.TryPeek(out var oldest) && oldest.Position <= upTo)
        {
            count++;
            bytes += found.Waiting.Dequeue().Content.Length;
        }

        if (found.IsForgotten) _destinations.Remove(destination);
        return (count, bytes);
    }

    public List<string> List(string? after, int limit) =>
        [.. _destinations.Where(pair => pair.Value.Waiting.Count > 0).Select(pair => pair.Key)
            .SkipWhile(destination => string.CompareOrdinal(destination, after) <= 0 && after is not null).Take(limit)];

    public List<OutboxLease> Acquire(string holder, DateTimeOffset now, TimeSpan duration, int limit)
    {
        List<OutboxLease> leases = [];
        // Who has been free for the longest time comes first: a busy destination keeps nobody else waiting.
        var free = _destinations.Where(pair => pair.Value.Waiting.Count > 0 && pair.Value.TakenUntil <= now);
        foreach (var (name, destination) in free.OrderBy(pair => pair.Value.TakenUntil).Take(limit))
        {
            (destination.Holder, destination.TakenUntil) = (holder, now + duration);
            leases.Add(new OutboxLease(name, destination.SendingUpTo, destination.Failures));
        }

        return leases;
    }

    public bool Renew(string destination, string holder, DateTimeOffset now, TimeSpan duration, long sendingUpTo)
    {
        if (!_destinations.TryGetValue(destination, out var found) || found.Holder != holder) return false;
        (found.TakenUntil, found.SendingUpTo) = (now + duration, sendingUpTo);
        return true;
    }

    public void Release(string destination, string holder, int failures, DateTimeOffset now, TimeSpan pause)
    {
        if (!_destinations.TryGetValue(destination, out var found) || found.Holder != holder) return;
        (found.Holder, found.Failures, found.TakenUntil) = (null, failures, now + pause);
        if (found.IsForgotten) _destinations.Remove(destination);
    }

    private sealed class Destination
    {
        public Queue<OutboxEntry> Waiting { get; } = new();

        public string? Holder { get; set; }
        public DateTimeOffset TakenUntil { get; set; }
        public long SendingUpTo { get; set; }
        public int Failures { get; set; }

        /// <summary>Whether there is nothing left to know of it.</summary>
        public bool IsForgotten => Waiting.Count == 0 && Holder is null && Failures == 0;
    }
}
