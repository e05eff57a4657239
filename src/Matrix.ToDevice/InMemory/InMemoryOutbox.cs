namespace Matrix.ToDevice;

/// <summary>The EDUs that wait for each destination, and who sends them. Not thread-safe: its store locks.</summary>
internal sealed class InMemoryOutbox(InMemoryCapacity capacity)
{
    private readonly SortedDictionary<string, Destination> _destinations = new(StringComparer.Ordinal);
    private long _lastPosition;

    /// <summary>What an EDU takes, with a destination that has no other.</summary>
    public static long SizeOf(in OutboundEdu edu) => Edu.SizeOf(edu) + Destination.SizeOf(edu.Destination);

    public void Append(Edu edu, DateTimeOffset now)
    {
        if (!_destinations.TryGetValue(edu.Destination, out var found))
        {
            capacity.Take(Destination.SizeOf(edu.Destination));
            // Free since now: what was emptied and gets something again stands behind those that have waited.
            _destinations.Add(edu.Destination, found = new() { TakenUntil = now });
        }

        capacity.Take(edu.Bytes);
        (edu.Position, edu.CommittedAt, edu.Next) = (++_lastPosition, now, null);
        if (found.Last is null) found.First = edu;
        else found.Last.Next = edu;
        found.Last = edu;
    }

    public List<OutboxEntry> Read(string destination, int limit)
    {
        List<OutboxEntry> entries = [];
        var edu = _destinations.GetValueOrDefault(destination)?.First;
        for (; edu is not null && entries.Count < limit; edu = edu.Next)
            entries.Add(new OutboxEntry(edu.Position, edu.MessageId, edu.Content, edu.CommittedAt));
        return entries;
    }

    /// <summary>Removes the EDUs up to a position.</summary>
    public void Remove(string destination, long upTo)
    {
        if (!_destinations.TryGetValue(destination, out var found)) return;

        while (found.First is { } oldest && oldest.Position <= upTo)
        {
            capacity.Give(oldest.Bytes);
            found.First = oldest.Next;
        }

        if (found.First is null) found.Last = null;
        Forget(destination, found);
    }

    public List<string> List(string? after, int limit) =>
        [.. _destinations.Where(pair => pair.Value.First is not null).Select(pair => pair.Key)
            .SkipWhile(destination => string.CompareOrdinal(destination, after) <= 0 && after is not null).Take(limit)];

    public List<OutboxLease> Acquire(string holder, DateTimeOffset now, TimeSpan duration, int limit)
    {
        List<OutboxLease> leases = [];
        // Who has been free for the longest time comes first: a busy destination keeps nobody else waiting.
        var free = _destinations.Where(pair => pair.Value.TakenUntil <= now).OrderBy(pair => pair.Value.TakenUntil).ToList();
        foreach (var (name, destination) in free)
        {
            if (destination.First is null)
            {
                // Its mail was given up, or its holder has not come back.
                (destination.Holder, destination.Failures) = (null, 0);
                Forget(name, destination);
            }
            else if (leases.Count < limit)
            {
                (destination.Holder, destination.TakenUntil) = (holder, now + duration);
                leases.Add(new OutboxLease(name, destination.SendingUpTo, destination.Failures));
            }
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
        Forget(destination, found);
    }

    /// <summary>Forgets a destination if there is nothing left to know of it.</summary>
    private void Forget(string destination, Destination found)
    {
        if (found.First is not null || found.Holder is not null || found.Failures != 0) return;
        _destinations.Remove(destination);
        capacity.Give(Destination.SizeOf(destination));
    }

    /// <summary>An EDU of a send, and then in the chain of its destination.</summary>
    internal sealed class Edu(in OutboundEdu edu)
    {
        private const int ObjectBytes = 80;

        public string Destination { get; } = edu.Destination;
        public string MessageId { get; } = edu.MessageId;
        public byte[] Content { get; } = edu.Content.ToArray();
        public long Position { get; set; }
        public DateTimeOffset CommittedAt { get; set; }
        public Edu? Next { get; set; }

        public long Bytes => SizeOf(Destination, MessageId, Content.Length);

        public static long SizeOf(in OutboundEdu edu) => SizeOf(edu.Destination, edu.MessageId, edu.Content.Length);

        private static long SizeOf(string destination, string messageId, int length) =>
            ObjectBytes + InMemoryCapacity.SizeOf(destination) + InMemoryCapacity.SizeOf(messageId) + InMemoryCapacity.SizeOf(length);
    }

    private sealed class Destination
    {
        // With its node in the tree.
        private const int ObjectBytes = 160;

        public Edu? First { get; set; }
        public Edu? Last { get; set; }
        public string? Holder { get; set; }
        public DateTimeOffset TakenUntil { get; set; }
        public long SendingUpTo { get; set; }
        public int Failures { get; set; }

        public static long SizeOf(string destination) => ObjectBytes + InMemoryCapacity.SizeOf(destination);
    }
}
