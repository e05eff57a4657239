namespace Matrix.ToDevice;

/// <summary>The EDUs that wait for each destination, and who sends them. Not thread-safe: its store locks.</summary>
internal sealed class InMemoryOutbox(InMemoryCapacity capacity)
{
    private readonly SortedDictionary<string, Destination> _destinations = new(StringComparer.Ordinal);

    // Apart, so that looking for one that has not failed does not walk over all that have.
    private readonly SortedSet<Destination> _byTime = new(Destination.ByTime), _failingByTime = new(Destination.ByTime);
    private long _lastPosition;

    /// <summary>What an EDU takes, with a destination that has no other.</summary>
    public static long SizeOf(in OutboundEdu edu) => Edu.SizeOf(edu) + Destination.SizeOf(edu.Destination);

    public void Append(Edu edu, DateTimeOffset now)
    {
        if (!_destinations.TryGetValue(edu.Destination, out var found))
        {
            capacity.Take(Destination.SizeOf(edu.Destination));
            _destinations.Add(edu.Destination, found = new(edu.Destination));
            _byTime.Add(found);
        }

        // Free since now: what was emptied and gets something again stands behind those that have waited.
        if (found.First is null && found.TakenUntil < now) Change(found, () => found.TakenUntil = now);

        capacity.Take(edu.Bytes);
        (edu.Position, edu.CommittedAt, edu.Next) = (++_lastPosition, now, null);
        if (found.Last is null) found.First = edu;
        else found.Last.Next = edu;
        found.Last = edu;
        found.Count++;
    }

    public List<OutboxEntry> Read(string destination, long after, int limit)
    {
        List<OutboxEntry> entries = [];
        for (var edu = _destinations.GetValueOrDefault(destination)?.First; edu is not null && entries.Count < limit; edu = edu.Next)
            if (edu.Position > after) entries.Add(new OutboxEntry(edu.Position, edu.MessageId, edu.Content, edu.CommittedAt));
        return entries;
    }

    /// <summary>Removes EDUs, which are in the order of their positions.</summary>
    public void Remove(string destination, IReadOnlyList<OutboxEntry> edus)
    {
        if (!_destinations.TryGetValue(destination, out var found)) return;

        Edu? before = null;
        var next = 0;
        for (var edu = found.First; edu is not null; edu = edu.Next)
        {
            while (next < edus.Count && edus[next].Position < edu.Position) next++;
            if (next == edus.Count) break;
            if (edus[next].Position != edu.Position || edus[next].MessageId != edu.MessageId)
            {
                before = edu;
                continue;
            }

            capacity.Give(edu.Bytes);
            found.Count--;
            if (before is null) found.First = edu.Next;
            else before.Next = edu.Next;
            if (edu.Next is null) found.Last = before;
        }

        ForgetIfEmpty(found);
    }

    public List<string> List(string? after, int limit) =>
        [.. _destinations.Where(pair => pair.Value.First is not null).Select(pair => pair.Key)
            .SkipWhile(destination => string.CompareOrdinal(destination, after) <= 0 && after is not null).Take(limit)];

    public List<OutboxLease> Acquire(
        string holder, DateTimeOffset now, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause)
    {
        List<OutboxLease> leases = [];
        Take(_byTime, limit);
        Take(_failingByTime, Math.Min(failingLimit, limit - leases.Count));
        return leases;

        void Take(SortedSet<Destination> destinations, int atMost)
        {
            // A clock was set back.
            while (destinations.Max is { } last && last.TakenUntil - now > longestPause) Change(last, () => last.TakenUntil = now);

            List<Destination> free = [], empty = [];
            foreach (var destination in destinations)
            {
                if (free.Count == atMost || destination.TakenUntil > now) break;
                (destination.First is null ? empty : free).Add(destination);
            }

            foreach (var destination in free)
            {
                Change(destination, () => (destination.Holder, destination.TakenUntil) = (holder, now + duration));
                leases.Add(new OutboxLease(destination.Name, destination.SendingUpTo, destination.Failures));
            }

            // Their holder has not come back.
            foreach (var destination in empty)
            {
                destination.Holder = null;
                ForgetIfEmpty(destination);
            }
        }
    }

    public List<OutboxLease> Acquire(IReadOnlyList<string> destinations, string holder, DateTimeOffset now, TimeSpan duration)
    {
        List<OutboxLease> leases = [];
        foreach (var name in destinations)
        {
            if (!_destinations.TryGetValue(name, out var found) || found.First is null || found.Failures > 0 || found.TakenUntil > now) continue;
            Change(found, () => (found.Holder, found.TakenUntil) = (holder, now + duration));
            leases.Add(new OutboxLease(name, found.SendingUpTo, found.Failures));
        }

        return leases;
    }

    public bool Renew(string destination, string holder, DateTimeOffset now, TimeSpan duration, long sendingUpTo)
    {
        if (!_destinations.TryGetValue(destination, out var found) || found.Holder != holder) return false;
        Change(found, () => (found.TakenUntil, found.SendingUpTo) = (now + duration, sendingUpTo));
        return true;
    }

    public void Release(string destination, string holder, int failures, DateTimeOffset now, TimeSpan pause)
    {
        if (!_destinations.TryGetValue(destination, out var found) || found.Holder != holder) return;
        Change(found, () => (found.Holder, found.Failures, found.TakenUntil) = (null, failures, now + pause));
        ForgetIfEmpty(found);
    }

    /// <summary>What waits for destinations that have not failed, and for those that have.</summary>
    public (OutboxStatistics Working, OutboxStatistics Failing) Measure()
    {
        var (working, failing) = (default(OutboxStatistics), default(OutboxStatistics));
        foreach (var destination in _destinations.Values)
        {
            if (destination.First is not { } oldest) continue;
            ref var found = ref destination.Failures == 0 ? ref working : ref failing;
            found = new OutboxStatistics(
                found.Destinations + 1, found.Edus + destination.Count, found.OldestEdu < oldest.CommittedAt ? found.OldestEdu : oldest.CommittedAt);
        }

        return (working, failing);
    }

    /// <summary>Changes what a destination is found by.</summary>
    private void Change(Destination destination, Action change)
    {
        InOrderOfTime(destination).Remove(destination);
        change();
        InOrderOfTime(destination).Add(destination);
    }

    private SortedSet<Destination> InOrderOfTime(Destination destination) => destination.Failures == 0 ? _byTime : _failingByTime;

    private void ForgetIfEmpty(Destination destination)
    {
        if (destination.First is not null || destination.Holder is not null) return;
        InOrderOfTime(destination).Remove(destination);
        _destinations.Remove(destination.Name);
        capacity.Give(Destination.SizeOf(destination.Name));
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

    private sealed class Destination(string name)
    {
        // With its nodes in the trees.
        private const int ObjectBytes = 232;

        public static readonly IComparer<Destination> ByTime = Comparer<Destination>.Create((one, other) =>
            one.TakenUntil.CompareTo(other.TakenUntil) is not 0 and var order ? order : string.CompareOrdinal(one.Name, other.Name));

        public string Name => name;
        public Edu? First { get; set; }
        public Edu? Last { get; set; }
        public int Count { get; set; }
        public string? Holder { get; set; }
        public DateTimeOffset TakenUntil { get; set; }
        public long SendingUpTo { get; set; }
        public int Failures { get; set; }

        public static long SizeOf(string destination) => ObjectBytes + InMemoryCapacity.SizeOf(destination);
    }
}
