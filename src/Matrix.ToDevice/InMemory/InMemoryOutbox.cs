namespace Matrix.ToDevice;

/// <summary>The EDUs that wait for each destination. Not thread-safe: its store locks.</summary>
internal sealed class InMemoryOutbox
{
    private readonly SortedList<string, Queue<OutboxEntry>> _destinations = new(StringComparer.Ordinal);
    private long _lastPosition;

    public void Append(string destination, string messageId, byte[] content)
    {
        if (!_destinations.TryGetValue(destination, out var waiting)) _destinations.Add(destination, waiting = new());
        waiting.Enqueue(new OutboxEntry(++_lastPosition, messageId, content));
    }

    public List<OutboxEntry> Read(string destination, int limit) =>
        _destinations.TryGetValue(destination, out var waiting) ? [.. waiting.Take(limit)] : [];

    /// <summary>Removes the EDUs up to a position, and returns how many there were and how many bytes they had.</summary>
    public (int Count, long Bytes) Remove(string destination, long upTo)
    {
        if (!_destinations.TryGetValue(destination, out var waiting)) return default;

        var count = 0;
        var bytes = 0L;
        while (waiting.TryPeek(out var oldest) && oldest.Position <= upTo)
        {
            count++;
            bytes += waiting.Dequeue().Content.Length;
        }

        if (waiting.Count == 0) _destinations.Remove(destination);
        return (count, bytes);
    }

    public List<string> List(string? after, int limit) =>
        [.. _destinations.Keys.SkipWhile(destination => string.CompareOrdinal(destination, after) <= 0 && after is not null).Take(limit)];
}
