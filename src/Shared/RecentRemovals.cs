namespace Matrix.ToDevice;

/// <summary>
/// The latest removals of devices in this process, for sends that looked a device up before: none of those outlives the process. It
/// takes the same memory however many devices end. Not thread-safe but for <see cref="Last"/>: its store sees to that.
/// </summary>
/// <remarks>
/// A hash stands for a device, and what is older than the latest ones stands for all devices: in either case, a send can be
/// refused that need not have been. It looks up again and succeeds.
/// </remarks>
internal sealed class RecentRemovals
{
    private const int Remembered = 1024;

    private readonly int[] _hashes = new int[Remembered];
    private long _last;

    /// <summary>How many there were.</summary>
    public long Last => Volatile.Read(ref _last);

    public void Add(DeviceAddress device)
    {
        _hashes[(_last + 1) % Remembered] = device.GetHashCode();
        Volatile.Write(ref _last, _last + 1);
    }

    /// <summary>Whether a device may have been removed since there were that many removals.</summary>
    public bool MayName(DeviceAddress device, long since)
    {
        if (_last - since > Remembered) return true;

        var hash = device.GetHashCode();
        for (var number = since + 1; number <= _last; number++)
            if (_hashes[number % Remembered] == hash) return true;
        return false;
    }
}
