using Matrix.ToDevice;

namespace MyStore;

/// <summary>The data as it is after all changes so far. In your database, these are tables.</summary>
internal sealed class Data
{
    private readonly Dictionary<DeviceAddress, Inbox> _inboxes = [];
    private readonly Dictionary<TransactionKey, DateTimeOffset> _lastUses = [];
    private readonly List<(long Number, DeviceAddress Device, DateTimeOffset At)> _removals = [];

    /// <summary>Removals are numbered, so that a commit can tell which ones its sender did not know of.</summary>
    public long LastRemoval { get; private set; }

    public void Apply(Change change)
    {
        switch (change)
        {
            case Sent sent:
                _lastUses[sent.Key] = sent.At;
                foreach (var message in sent.Messages) InboxOf(message.Recipient).Add(message);
                break;
            case Used used:
                _lastUses[used.Key] = used.At;
                break;
            case Acknowledged acknowledged:
                InboxOf(acknowledged.Device).Messages.RemoveAll(message => message.Position.Sequence <= acknowledged.UpTo);
                break;
            case DeviceRemoved removed:
                _inboxes.Remove(removed.Device);
                foreach (var key in _lastUses.Keys.Where(key => key.UserId == removed.Device.UserId && key.DeviceId == removed.Device.DeviceId).ToList())
                    _lastUses.Remove(key);
                _removals.Add((++LastRemoval, removed.Device, removed.At));
                break;
            case Purged purged:
                foreach (var key in purged.Keys) _lastUses.Remove(key);
                _removals.RemoveAll(removal => removal.At < purged.RemovalsBefore);
                break;
        }
    }

    public bool IsCommitted(TransactionKey key) => _lastUses.ContainsKey(key);

    public bool WasRemovedAfter(long knownRemovals, DeviceAddress device) =>
        _removals.Exists(removal => removal.Number > knownRemovals && removal.Device == device);

    public IReadOnlyList<InboxMessage> MessagesOf(DeviceAddress device) =>
        _inboxes.TryGetValue(device, out var inbox) ? inbox.Messages : [];

    public List<TransactionKey> UnusedSince(DateTimeOffset moment, string endpoint, int atMost) =>
        [.. _lastUses.Where(record => record.Key.Endpoint == endpoint && record.Value < moment).Take(atMost).Select(record => record.Key)];

    private Inbox InboxOf(DeviceAddress device)
    {
        if (!_inboxes.TryGetValue(device, out var inbox)) _inboxes.Add(device, inbox = new());
        return inbox;
    }

    private sealed class Inbox
    {
        // It goes on counting when the inbox is empty: a number is never given out twice.
        private long _lastSequence;

        public List<InboxMessage> Messages { get; } = [];

        public void Add(Message message) => Messages.Add(new InboxMessage(
            new InboxPosition(++_lastSequence, message.SendId), message.Sender, message.EventType, message.Content));
    }
}
