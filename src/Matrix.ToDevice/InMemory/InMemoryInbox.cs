using System.Runtime.CompilerServices;

namespace Matrix.ToDevice;

/// <summary>
/// The pending messages of one device, oldest first, in links of a chain, and the number that the next one gets.
/// Not thread-safe: its store locks.
/// </summary>
internal sealed class InMemoryInbox(InMemoryInbox.LinkPool links)
{
    private Link? _head;
    private Link? _tail;
    private int _first; // In the head.
    private long _lastSequence;

    public int Count { get; private set; }

    /// <summary>The sequence number of the oldest pending message.</summary>
    public long FirstSequence => _lastSequence - Count + 1;

    public void Append(in ToDeviceMessage message, ContentPool.Slot content)
    {
        var place = (_first + Count) % Link.Size;
        if (_tail is null) _head = _tail = links.Rent();
        else if (place == 0) _tail = _tail.Next = links.Rent();

        Count++;
        _tail.Entries[place] = new Entry(++_lastSequence, message.SendId, message.Sender, message.EventType, content);
    }

    /// <summary>The message at an index; 0 is the oldest.</summary>
    public Entry this[int index]
    {
        get
        {
            var link = _head!;
            for (index += _first; index >= Link.Size; index -= Link.Size) link = link.Next!;
            return link.Entries[index];
        }
    }

    /// <summary>Copies messages from an index on.</summary>
    public void CopyTo(Span<Entry> entries, int index)
    {
        var link = _head;
        for (index += _first; index >= Link.Size; index -= Link.Size) link = link!.Next;
        foreach (ref var entry in entries)
        {
            entry = link!.Entries[index];
            if (++index < Link.Size) continue;
            index = 0;
            link = link.Next;
        }
    }

    public ContentPool.Slot RemoveFirst()
    {
        var head = _head!;
        var content = head.Entries[_first].Content;
        head.Entries[_first] = default;
        Count--;
        if (++_first < Link.Size && Count > 0) return content;

        _first = 0;
        _head = head.Next;
        if (Count == 0) _head = _tail = null;
        links.Return(head);
        return content;
    }

    internal readonly record struct Entry(long Sequence, long SendId, string Sender, string EventType, ContentPool.Slot Content);

    /// <summary>Some messages, and where the next ones are. An inbox that has been emptied keeps none.</summary>
    internal sealed class Link
    {
        public const int Size = 8;

        public Link? Next;
        public LinkEntries Entries;
    }

    [InlineArray(Link.Size)]
    internal struct LinkEntries
    {
        private Entry _first;
    }

    /// <summary>Links that were given back, to be used again.</summary>
    internal sealed class LinkPool
    {
        private const int MaxFree = 100_000;

        private readonly Stack<Link> _free = new();

        public Link Rent() => _free.TryPop(out var link) ? link : new Link();

        public void Return(Link link)
        {
            link.Next = null;
            if (_free.Count < MaxFree) _free.Push(link);
        }
    }
}
