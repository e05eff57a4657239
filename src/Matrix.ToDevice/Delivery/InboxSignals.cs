using System.Runtime.InteropServices;

namespace Matrix.ToDevice;

/// <summary>Wakes the syncs of this process that wait for a device's messages. A signal is a hint: the store is the truth (D13).</summary>
internal sealed class InboxSignals : IInboxSignals
{
    private readonly Lock _lock = new();
    private readonly Dictionary<DeviceAddress, Watched> _watched = [];

    /// <summary>Watches a device until the result is disposed.</summary>
    public Watcher Watch(DeviceAddress device)
    {
        lock (_lock)
        {
            ref var watched = ref CollectionsMarshal.GetValueRefOrAddDefault(_watched, device, out _);
            watched ??= new Watched();
            watched.Watchers++;
            return new Watcher(this, device, watched);
        }
    }

    /// <summary>Messages for these recipients have been committed.</summary>
    public void MessagesArrived(IReadOnlyList<ToDeviceMessage> messages)
    {
        lock (_lock)
        {
            if (_watched.Count == 0) return;
            for (var i = 0; i < messages.Count; i++)
                if (_watched.TryGetValue(messages[i].Recipient, out var watched)) watched.Signal();
        }
    }

    /// <inheritdoc/>
    public void MessagesArrived(DeviceAddress device)
    {
        lock (_lock)
        {
            if (_watched.TryGetValue(device, out var watched)) watched.Signal();
        }
    }

    /// <inheritdoc/>
    public void Missed()
    {
        lock (_lock)
        {
            foreach (var watched in _watched.Values) watched.Signal();
        }
    }

    /// <summary>The device is gone: whoever waits for it stops.</summary>
    public void DeviceRemoved(DeviceAddress device)
    {
        lock (_lock)
        {
            // Whoever watches a device of this ID from now on watches a new one.
            if (!_watched.Remove(device, out var watched)) return;
            watched.Removed = true;
            watched.Signal();
        }
    }

    private void Unwatch(DeviceAddress device, Watched watched)
    {
        lock (_lock)
        {
            if (--watched.Watchers == 0 && !watched.Removed) _watched.Remove(device);
        }
    }

    internal sealed class Watched
    {
        private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _removed;

        public int Watchers;
        public bool Removed { get => _removed; set => _removed = value; }
        public Task Next => Volatile.Read(ref _next).Task;

        public void Signal() =>
            Interlocked.Exchange(ref _next, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
    }

    internal sealed class Watcher(InboxSignals signals, DeviceAddress device, Watched watched) : IDisposable
    {
        /// <summary>Completes at the first signal after this was read.</summary>
        public Task NextSignal => watched.Next;

        public bool DeviceRemoved => watched.Removed;

        public void Dispose() => signals.Unwatch(device, watched);
    }
}
