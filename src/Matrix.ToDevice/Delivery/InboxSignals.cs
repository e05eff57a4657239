using System.Runtime.InteropServices;

namespace Matrix.ToDevice;

/// <summary>Wakes the syncs of this process that wait for a device's messages. A signal is a hint: the store is the truth (D13).</summary>
internal sealed class InboxSignals(EmptyInboxes empty) : IInboxSignals
{
    private readonly Lock _lock = new();
    private readonly Dictionary<DeviceAddress, Signal> _signals = [];

    /// <summary>Subscribes to a device until the result is disposed.</summary>
    public Subscription Subscribe(DeviceAddress device)
    {
        lock (_lock)
        {
            ref var signal = ref CollectionsMarshal.GetValueRefOrAddDefault(_signals, device, out _);
            signal ??= new Signal();
            signal.Subscribers++;
            return new Subscription(this, device, signal);
        }
    }

    /// <inheritdoc/>
    public void MessagesArrived(IReadOnlyList<ToDeviceMessage> messages)
    {
        // Before anybody is woken, who would find it empty still.
        empty.Forget(messages);
        lock (_lock)
        {
            if (_signals.Count == 0) return;
            for (var i = 0; i < messages.Count; i++)
                if (_signals.TryGetValue(messages[i].Recipient, out var signal)) signal.Give();
        }
    }

    /// <inheritdoc/>
    public void MessagesArrived(DeviceAddress device)
    {
        empty.Forget(device);
        lock (_lock)
        {
            if (_signals.TryGetValue(device, out var signal)) signal.Give();
        }
    }

    /// <inheritdoc/>
    public void Missed()
    {
        empty.ForgetAll();
        lock (_lock)
        {
            foreach (var signal in _signals.Values) signal.Give();
        }
    }

    /// <summary>The device is gone: whoever waits for it stops.</summary>
    public void DeviceRemoved(DeviceAddress device)
    {
        empty.Forget(device);
        lock (_lock)
        {
            // Whoever subscribes to a device of this ID from now on waits for a new one.
            if (!_signals.Remove(device, out var signal)) return;
            signal.IsOfRemovedDevice = true;
            signal.Give();
        }
    }

    private void Unsubscribe(DeviceAddress device, Signal signal)
    {
        lock (_lock)
        {
            if (--signal.Subscribers == 0 && !signal.IsOfRemovedDevice) _signals.Remove(device);
        }
    }

    /// <summary>One device's, for all who wait for it.</summary>
    internal sealed class Signal
    {
        private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _isOfRemovedDevice;

        public int Subscribers;
        public bool IsOfRemovedDevice { get => _isOfRemovedDevice; set => _isOfRemovedDevice = value; }
        public Task Next => Volatile.Read(ref _next).Task;

        public void Give() =>
            Interlocked.Exchange(ref _next, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
    }

    /// <summary>One who waits.</summary>
    internal sealed class Subscription(InboxSignals signals, DeviceAddress device, Signal signal) : IDisposable
    {
        /// <summary>Completes at the first signal after this was read.</summary>
        public Task NextSignal => signal.Next;

        public bool IsDeviceRemoved => signal.IsOfRemovedDevice;

        public void Dispose() => signals.Unsubscribe(device, signal);
    }
}
