namespace Matrix.ToDevice;

/// <summary>
/// What this host knows of removals. Each bucket numbers its own; what a send is given is the count of what this host has learned, and from
/// that follows what was known of each bucket when the send looked its devices up (D6).
/// </summary>
internal sealed class BucketRemovals(KnownRemovals learned)
{
    // Whoever sends while more than these are learned in one bucket is refused once more.
    private const int MostRemembered = 64;

    private readonly Lock _lock = new();
    private readonly Queue<(long Number, long LearnedAs)>?[] _buckets = new Queue<(long, long)>?[Buckets.Count];
    private readonly long[] _last = new long[Buckets.Count];

    /// <summary>Learns the number of a removal.</summary>
    public void Learn(int bucket, long number)
    {
        lock (_lock)
        {
            if (number <= _last[bucket]) return;
            _last[bucket] = number;
            // Whoever reads that it was learned finds it here, or waits.
            learned.Learn(learned.Last + 1);
            var remembered = _buckets[bucket] ??= new();
            if (remembered.Count == MostRemembered) remembered.Dequeue();
            remembered.Enqueue((number, learned.Last));
        }
    }

    /// <summary>The last removal in a bucket that was known then.</summary>
    public long KnownThen(int bucket, long knownRemovals)
    {
        lock (_lock)
        {
            var known = 0L;
            foreach (var (number, learnedAs) in _buckets[bucket] ?? [])
                if (learnedAs <= knownRemovals) known = number;
            return known;
        }
    }
}
