using System.Collections.Concurrent;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// What each device was handed out last, for the page that shows inboxes from the outside. Nothing depends on it: it is
/// what this host knows since its start, and no more of it than a page needs.
/// </summary>
internal sealed class HandOuts
{
    private const int MaxDevices = 1000;

    private readonly ConcurrentDictionary<DeviceAddress, InboxPosition> _last = new();

    /// <summary>Remembers what a sync response holds.</summary>
    public void Note(DeviceAddress device, ToDeviceBatch batch)
    {
        if (batch.IsEmpty) return;
        if (_last.Count >= MaxDevices && !_last.ContainsKey(device)) _last.Clear();
        _last[device] = batch.Events[^1].Position;
    }

    /// <summary>The last message of the last response that held any.</summary>
    public InboxPosition? LastOf(DeviceAddress device) => _last.TryGetValue(device, out var position) ? position : null;

    /// <summary>A later device of this ID counts from 1 again.</summary>
    public void Forget(DeviceAddress device) => _last.TryRemove(device, out _);
}
