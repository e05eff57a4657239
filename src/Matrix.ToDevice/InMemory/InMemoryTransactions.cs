using System.Runtime.InteropServices;

namespace Matrix.ToDevice;

/// <summary>Which transactions were committed, and when each was last used. Not thread-safe: its store locks.</summary>
internal sealed class InMemoryTransactions(InMemoryCapacity capacity)
{
    // The record, and its place in the heap.
    private static readonly int s_recordBytes = GradualTable<UInt128, InMemoryRecord>.EntryBytes + sizeof(int);

    private readonly GradualTable<UInt128, InMemoryRecord> _records = new();
    private readonly GradualTable<DeviceAddress, InMemoryRequester> _requesters = new();
    private readonly Dictionary<string, InMemoryAges> _ages = [];

    /// <summary>Whether the transaction was committed; if so, it has been used now.</summary>
    public bool Use(UInt128 fingerprint, DateTimeOffset now)
    {
        var index = _records.IndexOf(fingerprint);
        if (index < 0) return false;

        ref var record = ref _records[index];
        if (record.Requester.IsRemoved) return false;

        record.LastUsed = now.UtcTicks;
        record.Ages.Used(index);
        return true;
    }

    /// <summary>Whether the transaction was committed. That is no use of it.</summary>
    public bool Contains(UInt128 fingerprint) => _records.IndexOf(fingerprint) is >= 0 and var index && !_records[index].Requester.IsRemoved;

    /// <summary>Adds a record that is not there, unless there is no room for it.</summary>
    public bool TryAdd(in TransactionKey key, UInt128 fingerprint, DateTimeOffset now)
    {
        // Of a device that has been removed.
        var index = _records.IndexOf(fingerprint);
        if (index >= 0) Remove(index);

        var address = new DeviceAddress(key.UserId, key.DeviceId!);
        var isKnown = _requesters.TryGetValue(address, out var requester);
        if (!capacity.TryTake(s_recordBytes + (isKnown ? 0 : InMemoryRequester.SizeOf(key.UserId, key.DeviceId)))) return false;

        if (!isKnown) _requesters.Add(address, requester = new InMemoryRequester(key.UserId, key.DeviceId));
        ref var ages = ref CollectionsMarshal.GetValueRefOrAddDefault(_ages, key.Endpoint, out _);
        ages ??= new InMemoryAges(_records);

        index = _records.Add(fingerprint, new InMemoryRecord
        {
            LastUsed = now.UtcTicks,
            Requester = requester!,
            Ages = ages,
            Newer = -1,
            Older = requester!.Newest,
        });
        if (requester.Newest >= 0) _records[requester.Newest].Newer = index;
        requester.Newest = index;
        ages.Add(index);
        return true;
    }

    /// <summary>Forgets the oldest records of an endpoint, and returns how many.</summary>
    public int Purge(string endpoint, DateTimeOffset lastUsedBefore, int atMost)
    {
        if (!_ages.TryGetValue(endpoint, out var ages)) return 0;

        var purged = 0;
        for (; purged < atMost && ages.Oldest >= 0 && _records[ages.Oldest].LastUsed < lastUsedBefore.UtcTicks; purged++) Remove(ages.Oldest);
        return purged;
    }

    /// <summary>The records of a device count no more. They are still there: <see cref="Free"/> takes them away.</summary>
    public InMemoryRequester? RemoveDevice(DeviceAddress device)
    {
        if (!_requesters.Remove(device, out var requester)) return null;

        capacity.Give(requester.Bytes);
        requester.IsRemoved = true;
        return requester;
    }

    /// <summary>Takes away some records of a device that was removed, and tells whether there are more.</summary>
    public bool Free(InMemoryRequester requester, int atMost)
    {
        while (atMost-- > 0 && requester.Newest >= 0) Remove(requester.Newest);
        return requester.Newest >= 0;
    }

    private void Remove(int index)
    {
        var record = _records[index];
        record.Ages.Remove(index);
        if (record.Newer >= 0) _records[record.Newer].Older = record.Older;
        else record.Requester.Newest = record.Older;
        if (record.Older >= 0) _records[record.Older].Newer = record.Newer;

        var last = _records.LastIndex;
        _records.RemoveAt(index);
        if (index != last) Moved(index);
        capacity.Give(s_recordBytes);

        var requester = record.Requester;
        if (requester.Newest >= 0 || requester.IsRemoved) return;
        _requesters.Remove(new DeviceAddress(requester.UserId, requester.DeviceId!), out _);
        capacity.Give(requester.Bytes);
    }

    /// <summary>What points to a record follows it.</summary>
    private void Moved(int index)
    {
        ref var record = ref _records[index];
        record.Ages.Moved(index);
        if (record.Newer >= 0) _records[record.Newer].Older = index;
        else record.Requester.Newest = index;
        if (record.Older >= 0) _records[record.Older].Newer = index;
    }
}
