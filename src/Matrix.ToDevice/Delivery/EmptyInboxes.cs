namespace Matrix.ToDevice;

/// <summary>
/// Which inboxes were empty when they were read a short while ago, and have got nothing since as far as this host was told: while every
/// commit is signalled, they need not be read again (D25).
/// </summary>
internal sealed class EmptyInboxes(TimeProvider time)
{
    // What is kept of devices: as much as a few thousand idle connections take. Any text may be an ID (R71), and those of usual length are.
    private const int MaxDevices = 100_000, MaxIdCharacters = 300;

    private static readonly TimeSpan s_turn = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<DeviceAddress, Look> _looks = [];
    private long _turned = time.GetTimestamp();

    /// <summary>To be called before an inbox is read: what is signalled from here on makes the look void.</summary>
    public Look Begin(DeviceAddress device)
    {
        var look = new Look(time.GetTimestamp());
        if (device.UserId.Length + device.DeviceId.Length > MaxIdCharacters) return look;

        lock (_lock)
        {
            if (_looks.Count >= MaxDevices) _looks.Clear();
            if (time.GetElapsedTime(_turned, look.BeganAt) >= s_turn)
            {
                ForgetOlder();
                _turned = look.BeganAt;
            }

            _looks[device] = look;
        }

        return look;
    }

    /// <summary>To be called when the look has found nothing.</summary>
    /// <param name="look">The look.</param>
    /// <param name="has">What was deleted before it, as the device has it.</param>
    public void Remember(Look look, InboxPosition has) => look.FoundNothing(time.GetTimestamp(), has);

    /// <summary>How long ago the inbox was found empty; null when something may have come since, or nobody has looked lately.</summary>
    public TimeSpan? EmptyFor(DeviceAddress device) => Find(device) is { } look ? time.GetElapsedTime(look.At) : null;

    /// <summary>Whether it was found empty when this had been deleted.</summary>
    public bool WasEmptyWithout(DeviceAddress device, InboxPosition has) => Find(device)?.Has == has;

    /// <summary>Something has come.</summary>
    public void Forget(DeviceAddress device)
    {
        lock (_lock)
        {
            _looks.Remove(device);
        }
    }

    /// <summary>Something has come for these.</summary>
    public void Forget(IReadOnlyList<ToDeviceMessage> messages)
    {
        lock (_lock)
        {
            if (_looks.Count == 0) return;
            for (var i = 0; i < messages.Count; i++) _looks.Remove(messages[i].Recipient);
        }
    }

    /// <summary>Anything may have come.</summary>
    public void ForgetAll()
    {
        lock (_lock)
        {
            _looks.Clear();
        }
    }

    // Who has not come for some time.
    private void ForgetOlder()
    {
        foreach (var (device, look) in _looks)
            if (look.BeganAt < _turned) _looks.Remove(device);
    }

    private Look? Find(DeviceAddress device)
    {
        Look? look;
        lock (_lock)
        {
            _looks.TryGetValue(device, out look);
        }

        return look is { HasFoundNothing: true } ? look : null;
    }

    /// <summary>One read of an inbox.</summary>
    internal sealed class Look(long beganAt)
    {
        private volatile bool _hasFoundNothing;

        public long BeganAt => beganAt;
        public bool HasFoundNothing => _hasFoundNothing;
        public long At { get; private set; }
        public InboxPosition Has { get; private set; }

        public void FoundNothing(long at, InboxPosition has)
        {
            (At, Has) = (at, has);
            _hasFoundNothing = true;
        }
    }
}
