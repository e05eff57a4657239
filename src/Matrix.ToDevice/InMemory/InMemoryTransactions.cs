using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Matrix.ToDevice;

/// <summary>Which transactions were committed, and when each was last used. Not thread-safe: its store locks.</summary>
internal sealed class InMemoryTransactions
{
    private readonly Dictionary<Requester, Dictionary<UInt128, long>> _lastUsed = [];

    // In the order of the times in it. A record that was used again stands here with its earlier time, and moves to the
    // end when that time comes up.
    private readonly Queue<(long Ticks, Requester Requester, UInt128 Fingerprint)> _byAge = new();

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
        _byAge.Enqueue((now.UtcTicks, requester, fingerprint));
    }

    /// <summary>Forgets the records of a device, and returns how many there were.</summary>
    public int RemoveDevice(DeviceAddress device) =>
        _lastUsed.Remove(new Requester(device.UserId, device.DeviceId), out var records) ? records.Count : 0;

    public int Purge(DateTimeOffset lastUsedBefore, int atMost)
    {
        var purged = 0;
        while (purged < atMost && _byAge.TryPeek(out var oldest) && oldest.Ticks < lastUsedBefore.UtcTicks)
        {
            _byAge.Dequeue();
            if (!_lastUsed.TryGetValue(oldest.Requester, out var records)
                || !records.TryGetValue(oldest.Fingerprint, out var lastUsed))
            {
                continue; // It went with its device.
            }

            if (lastUsed >= lastUsedBefore.UtcTicks)
            {
                _byAge.Enqueue((lastUsed, oldest.Requester, oldest.Fingerprint));
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
