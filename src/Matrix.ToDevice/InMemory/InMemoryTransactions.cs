using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Matrix.ToDevice;

/// <summary>Which transactions were committed, and when each was last used. Not thread-safe: its store locks.</summary>
internal sealed class InMemoryTransactions
{
    private readonly Dictionary<Requester, Dictionary<UInt128, long>> _lastUsed = [];

    // For each endpoint, in the order of the times in it. A record that was used again stands here with its earlier time, and
    // moves to the end when that time comes up.
    private readonly Dictionary<string, Queue<(long Ticks, Requester Requester, UInt128 Fingerprint)>> _byAge = [];

    /// <summary>Whether the transaction was committed; if so, it has been used now.</summary>
    public bool Use(in TransactionKey key, UInt128 fingerprint, DateTimeOffset now)
    {
        if (!_lastUsed.TryGetValue(Requester.Of(key), out var records)) return false;

        ref var lastUsed = ref CollectionsMarshal.GetValueRefOrNullRef(records, fingerprint);
        if (Unsafe.IsNullRef(ref lastUsed)) return false;
        lastUsed = Math.Max(lastUsed, now.UtcTicks);
        return true;
    }

    public void Add(in TransactionKey key, UInt128 fingerprint, DateTimeOffset now)
    {
        var requester = Requester.Of(key);
        ref var records = ref CollectionsMarshal.GetValueRefOrAddDefault(_lastUsed, requester, out _);
        (records ??= []).Add(fingerprint, now.UtcTicks);
        ref var byAge = ref CollectionsMarshal.GetValueRefOrAddDefault(_byAge, key.Endpoint, out _);
        (byAge ??= new()).Enqueue((now.UtcTicks, requester, fingerprint));
    }

    /// <summary>Forgets the records of a device, and returns how many there were.</summary>
    public int RemoveDevice(DeviceAddress device) =>
        _lastUsed.Remove(new Requester(device.UserId, device.DeviceId), out var records) ? records.Count : 0;

    public int Purge(string endpoint, DateTimeOffset lastUsedBefore, int atMost)
    {
        if (!_byAge.TryGetValue(endpoint, out var byAge)) return 0;

        var purged = 0;
        while (purged < atMost && byAge.TryPeek(out var oldest) && oldest.Ticks < lastUsedBefore.UtcTicks)
        {
            byAge.Dequeue();
            if (!_lastUsed.TryGetValue(oldest.Requester, out var records)
                || !records.TryGetValue(oldest.Fingerprint, out var lastUsed))
            {
                continue; // It went with its device.
            }

            if (lastUsed >= lastUsedBefore.UtcTicks)
            {
                byAge.Enqueue((lastUsed, oldest.Requester, oldest.Fingerprint));
                continue;
            }

            records.Remove(oldest.Fingerprint);
            if (records.Count == 0) _lastUsed.Remove(oldest.Requester);
            purged++;
        }

        return purged;
    }

    private readonly record struct Requester(string UserId, string? DeviceId)
    {
        public static Requester Of(in TransactionKey key) => new(key.UserId, key.DeviceId);
    }
}
