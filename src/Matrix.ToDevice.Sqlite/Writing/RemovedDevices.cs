namespace Matrix.ToDevice;

/// <summary>
/// The removals of this process's life, numbered. In memory, because what they guard against is a send that was begun
/// before them, and none of those outlives the process. Written by the writer's thread alone.
/// </summary>
internal sealed class RemovedDevices
{
    private readonly Dictionary<DeviceAddress, (long Number, DateTimeOffset At)> _removals = [];
    private long _last;

    /// <summary>The number of the last removal; safe to read from any thread.</summary>
    public long Last => Volatile.Read(ref _last);

    public void Add(DeviceAddress device, DateTimeOffset now)
    {
        _removals[device] = (_last + 1, now);
        Volatile.Write(ref _last, _last + 1);
    }

    /// <summary>Whether the device was removed by a removal with a higher number than this.</summary>
    public bool Contains(DeviceAddress device, long after) =>
        after < _last && _removals.TryGetValue(device, out var removal) && removal.Number > after;

    public void Purge(DateTimeOffset before)
    {
        foreach (var (device, removal) in _removals)
            if (removal.At < before) _removals.Remove(device);
    }
}
