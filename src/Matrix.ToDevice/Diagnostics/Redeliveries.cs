namespace Matrix.ToDevice;

/// <summary>
/// Up to where this host has handed out the inboxes of the devices that came last. A message that is handed out once more is one that
/// stands there or before: the device has not acknowledged it, because it did not get it, or has not processed it.
/// </summary>
/// <remarks>
/// It forgets a device for another one that falls on the same place, and knows nothing of other hosts: it counts too few, not too many.
/// </remarks>
internal sealed class Redeliveries
{
    private const int Places = 1 << 14;

    private readonly Lock _lock = new();

    // Made when somebody listens.
    private Place[]? _places;

    /// <summary>How many of these messages were handed out before; they are noted.</summary>
    public int Count(DeviceAddress device, IReadOnlyList<InboxMessage> messages)
    {
        var key = KeyOf(device);
        var last = messages[^1].Position;
        lock (_lock)
        {
            _places ??= new Place[Places];
            ref var place = ref _places[key & (Places - 1)];
            if (place.Key != key) place = new Place(key, InboxPosition.Start);

            var before = place.Last;
            // Numbers come again after a failover or a restored backup, send IDs do not (D23).
            if (last.Sequence < before.Sequence) return messages.Count;
            place = new Place(key, last);
            for (var i = messages.Count - 1; i >= 0; i--)
                if (messages[i].Position == before) return i + 1;
            return 0;
        }
    }

    public void Forget(DeviceAddress device)
    {
        var key = KeyOf(device);
        lock (_lock)
        {
            if (_places is null) return;
            ref var place = ref _places[key & (Places - 1)];
            if (place.Key == key) place = default;
        }
    }

    private static long KeyOf(DeviceAddress device) => ((long)device.UserId.GetHashCode() << 32) | (uint)device.DeviceId.GetHashCode();

    private readonly record struct Place(long Key, InboxPosition Last);
}
