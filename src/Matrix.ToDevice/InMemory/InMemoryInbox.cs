namespace Matrix.ToDevice;

/// <summary>The pending messages of one device: a ring that grows, oldest first, and the number that the next one gets.</summary>
internal sealed class InMemoryInbox
{
    private Entry[] _ring = [];
    private int _first;
    private long _lastSequence;

    public int Count { get; private set; }

    /// <summary>The sequence number of the oldest pending message.</summary>
    public long FirstSequence => _lastSequence - Count + 1;

    public Entry this[int index] => _ring[(_first + index) & (_ring.Length - 1)];

    public void Append(in ToDeviceMessage message, ContentPool.Slot content)
    {
        if (Count == _ring.Length) Grow();
        _ring[(_first + Count++) & (_ring.Length - 1)] = new Entry(++_lastSequence, message.SendId, message.Sender, message.EventType, content);
    }

    public ContentPool.Slot RemoveFirst()
    {
        ref var entry = ref _ring[_first];
        var content = entry.Content;
        entry = default;
        _first = (_first + 1) & (_ring.Length - 1);
        // An inbox is mostly empty: it does not keep what a backlog once took.
        if (--Count == 0) _ring = [];
        if (Count == 0) _first = 0;
        return content;
    }

    private void Grow()
    {
        var larger = new Entry[Math.Max(4, _ring.Length * 2)];
        for (var i = 0; i < Count; i++) larger[i] = this[i];
        _ring = larger;
        _first = 0;
    }

    internal readonly record struct Entry(long Sequence, long SendId, string Sender, string EventType, ContentPool.Slot Content);
}
