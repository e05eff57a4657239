using System.Runtime.CompilerServices;
using System.Text;

namespace Matrix.ToDevice;

/// <summary>
/// The pending messages of one device, oldest first, in links of a chain, and the number that the next one gets.
/// Not thread-safe: its store locks.
/// </summary>
internal sealed class InMemoryInbox(InMemoryInbox.LinkPool links)
{
    private const int ObjectBytes = 64;

    private Link? _head;
    private Link? _tail;
    private int _first; // In the head.
    private long _lastSequence;
    private long _appendedBytes;

    public int Count { get; private set; }

    /// <summary>The sequence number of the oldest pending message.</summary>
    public long FirstSequence => _lastSequence - Count + 1;

    /// <summary>What the inbox of a device takes, without messages. It stays when it is empty: its numbers go on.</summary>
    public static int SizeOf(DeviceAddress device) =>
        ObjectBytes + GradualTable<DeviceAddress, InMemoryInbox>.EntryBytes
        + InMemoryCapacity.SizeOf(device.UserId) + InMemoryCapacity.SizeOf(device.DeviceId);

    public void Append(InMemorySend send, ContentPool.Slot content)
    {
        var place = (_first + Count) % Link.Size;
        if (_tail is null || place == 0)
        {
            var link = links.Rent();
            link.BytesBefore = _appendedBytes;
            if (_tail is null) _head = link;
            else _tail.Next = link;
            _tail = link;
        }

        Count++;
        _appendedBytes += content.Length;
        send.Pending++;
        _tail.Entries[place] = new Entry(++_lastSequence, send, content);
    }

    /// <summary>The message at an index; 0 is the oldest.</summary>
    public Entry this[int index]
    {
        get
        {
            var place = PlaceOf(index);
            return place.Link.Entries[place.Index];
        }
    }

    /// <summary>
    /// Copies messages from an index on, at least one: as soon as the store's lock is free, an acknowledgement may give their slots
    /// to others.
    /// </summary>
    public InboxPage CopyPage(int index, int count, int maxBytes)
    {
        var (fitting, contentBytes, bytes) = (0, 0, 0L);
        var at = PlaceOf(index);
        for (; fitting < count; fitting++)
        {
            ref readonly var entry = ref Take(ref at);
            bytes += entry.Content.Length + Encoding.UTF8.GetByteCount(entry.EventType) + Encoding.UTF8.GetByteCount(entry.Sender);
            if (fitting > 0 && bytes > maxBytes) break;
            contentBytes += entry.Content.Length;
        }

        var memory = new PageMemory();
        var start = memory.Add(contentBytes);
        var messages = new InboxMessage[fitting];
        at = PlaceOf(index);
        for (var i = 0; i < fitting; i++)
        {
            ref readonly var entry = ref Take(ref at);
            entry.Content.Span.CopyTo(memory.Buffer.AsSpan(start));
            messages[i] = new InboxMessage(
                new InboxPosition(entry.Sequence, entry.SendId), entry.Sender, entry.EventType, memory.Slice(start, entry.Content.Length))
            {
                CommittedAt = entry.Send.CommittedAt,
            };
            start += entry.Content.Length;
        }

        return new InboxPage(messages, hasMore: index + fitting < Count, memory);
    }

    /// <summary>How many bytes the contents have, by a look at the first link: the store's lock is held.</summary>
    public long CountBytes()
    {
        if (_head is null) return 0;
        var bytes = _appendedBytes - (_head.Next?.BytesBefore ?? _appendedBytes);
        for (var place = _first; place < Math.Min(_first + Count, Link.Size); place++) bytes += _head.Entries[place].Content.Length;
        return bytes;
    }

    public Entry RemoveFirst()
    {
        var head = _head!;
        var entry = head.Entries[_first];
        head.Entries[_first] = default;
        entry.Send.Pending--;
        Count--;
        if (++_first < Link.Size && Count > 0) return entry;

        _first = 0;
        _head = head.Next;
        if (Count == 0) _head = _tail = null;
        links.Return(head);
        return entry;
    }

    /// <summary>
    /// Takes some of the oldest messages away in one step, into an inbox of their own. Those that share a link with messages
    /// that stay are not among them.
    /// </summary>
    public InMemoryInbox Split(int count)
    {
        var full = (_first + count) / Link.Size;
        var taken = new InMemoryInbox(links);
        if (full == 0) return taken;

        var last = _head!;
        for (var i = 1; i < full; i++) last = last.Next!;
        (taken._head, taken._tail, taken._first) = (_head, last, _first);
        taken.Count = (full * Link.Size) - _first;
        (_head, _first, last.Next) = (last.Next, 0, null);
        Count -= taken.Count;
        if (Count == 0) _head = _tail = null;
        return taken;
    }

    private (Link Link, int Index) PlaceOf(int index)
    {
        var link = _head!;
        for (index += _first; index >= Link.Size; index -= Link.Size) link = link.Next!;
        return (link, index);
    }

    /// <summary>The message at a place, which is the next one's then.</summary>
    private static ref readonly Entry Take(ref (Link Link, int Index) place)
    {
        ref readonly var entry = ref place.Link.Entries[place.Index];
        if (++place.Index == Link.Size) place = (place.Link.Next!, 0);
        return ref entry;
    }

    internal readonly record struct Entry(long Sequence, InMemorySend Send, ContentPool.Slot Content)
    {
        public long SendId => Send.Id;
        public string Sender => Send.Sender;
        public string EventType => Send.EventType;
    }

    /// <summary>Some messages, and where the next ones are. An inbox that has been emptied keeps none.</summary>
    internal sealed class Link
    {
        public const int Size = 8;
        public const int Bytes = 288;

        public Link? Next;

        /// <summary>The bytes of all contents that came into the inbox before those of this link.</summary>
        public long BytesBefore;
        public LinkEntries Entries;
    }

    [InlineArray(Link.Size)]
    internal struct LinkEntries
    {
        private Entry _first;
    }

    /// <summary>Links, and some that were given back, to be used again.</summary>
    internal sealed class LinkPool(InMemoryCapacity capacity)
    {
        private Link? _spare;

        public Link Rent()
        {
            capacity.Take(Link.Bytes);
            if (_spare is not { } link) return new Link();

            capacity.UseSpare(Link.Bytes);
            (_spare, link.Next) = (link.Next, null);
            return link;
        }

        public void Return(Link link)
        {
            if (capacity.GiveAndKeep(Link.Bytes)) (link.Next, _spare) = (_spare, link);
            else link.Next = null;
        }
    }
}
