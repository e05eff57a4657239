using System.Text;
using Matrix.ToDevice;

namespace MyStore;

/// <summary>Where the journal of a <see cref="JournalStore"/> lies.</summary>
/// <param name="Path">The file. Its folder exists.</param>
public sealed record JournalSettings(string Path);

/// <summary>
/// A store for the send-to-device module: everything in memory, and every change in a journal on disk before it is answered.
/// Each member keeps promises that the documentation comments of the seams name; the tests try them out.
/// </summary>
public sealed class JournalStore : ITransactionStore, IDeviceInbox, IDisposable
{
    private readonly Lock _lock = new();
    private readonly Data _data = new();
    private readonly TimeProvider _time;
    private readonly Journal _journal;

    public JournalStore(JournalSettings settings, TimeProvider time)
    {
        _time = time;
        _journal = new Journal(settings.Path, _data.Apply);
    }

    public long KnownRemovals
    {
        get
        {
            lock (_lock) return _data.LastRemoval;
        }
    }

    /// <summary>Gathers in memory: until the commit, nobody sees anything and nobody waits.</summary>
    public ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken) =>
        Do<IToDeviceTransaction?>(() => IsUsedAgain(key) ? null : new Send(this, key, knownRemovals), cancellationToken);

    public ValueTask AppendAsync(IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (transaction is not Send send || send.Store != this)
            throw new ArgumentException("The transaction is of another store: two stores cannot commit together.", nameof(transaction));

        send.ThrowIfOver();
        send.Messages.AddRange(messages);
        return default;
    }

    public ValueTask<InboxPage> ReadAsync(DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken) =>
        Do(() =>
        {
            var page = new List<InboxMessage>();
            var bytes = 0L;
            foreach (var message in _data.MessagesOf(device).Where(message => message.Position.Sequence > after.Sequence))
            {
                bytes += message.Content.Length + Encoding.UTF8.GetByteCount(message.EventType) + Encoding.UTF8.GetByteCount(message.Sender);
                if (page.Count == limit || (page.Count > 0 && bytes > maxBytes)) return new InboxPage(page, hasMore: true);
                page.Add(message);
            }

            return new InboxPage(page, hasMore: false);
        }, cancellationToken);

    /// <summary>Deletes only if the message with that number is the one that was handed out.</summary>
    public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken) =>
        Do(() =>
        {
            var messages = _data.MessagesOf(device);
            if (!messages.Any(message => message.Position == upTo)) return 0;
            var before = messages.Count;
            Write(new Acknowledged(device, upTo.Sequence));
            return before - _data.MessagesOf(device).Count;
        }, cancellationToken);

    public async ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) =>
        await Do(() => Write(new DeviceRemoved(device, _time.GetUtcNow())), cancellationToken);

    public ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken) =>
        Do(() =>
        {
            var keys = _data.UnusedSince(lastUsedBefore, endpoint, atMost);
            Write(new Purged(keys, lastUsedBefore));
            return keys.Count;
        }, cancellationToken);

    public void Dispose() => _journal.Dispose();

    private ValueTask<CommitResult> CommitAsync(Send send, CancellationToken cancellationToken) => Do(() =>
    {
        // Was it committed before, and is everybody still there? Asked here, where nobody can come in between.
        if (IsUsedAgain(send.Key)) return CommitResult.AlreadyCommitted;
        if (send.Devices.Any(device => _data.WasRemovedAfter(send.KnownRemovals, device))) return CommitResult.DeviceRemoved;

        Write(new Sent(send.Key, _time.GetUtcNow(), [.. send.Messages.Select(message => new Message(
            message.Recipient, message.Sender, message.EventType, message.Content.ToArray(), message.SendId))]));
        return CommitResult.Committed;
    }, cancellationToken);

    private bool IsUsedAgain(TransactionKey key) => _data.IsCommitted(key) && Write(new Used(key, _time.GetUtcNow()));

    /// <summary>On disk first, then for everybody to see.</summary>
    private bool Write(Change change)
    {
        _journal.Write(change);
        _data.Apply(change);
        return true;
    }

    /// <summary>One step after another. A step that has begun is carried through.</summary>
    private ValueTask<T> Do<T>(Func<T> step, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock) return new(step());
    }

    /// <summary>What one send will write. Contents lie in the request's memory, which is there until this is disposed.</summary>
    private sealed class Send(JournalStore store, TransactionKey key, long knownRemovals) : IToDeviceTransaction
    {
        private bool _isOver;

        public JournalStore Store => store;
        public TransactionKey Key => key;
        public long KnownRemovals => knownRemovals;
        public List<ToDeviceMessage> Messages { get; } = [];

        public IEnumerable<DeviceAddress> Devices =>
            Messages.Select(message => message.Recipient).Append(new DeviceAddress(key.UserId, key.DeviceId ?? ""));

        public void ThrowIfOver()
        {
            if (_isOver) throw new InvalidOperationException("The transaction is over: its commit was called, or it was disposed.");
        }

        public ValueTask<CommitResult> CommitAsync(CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ThrowIfOver();
            _isOver = true;
            return store.CommitAsync(this, cancellationToken);
        }

        public ValueTask DisposeAsync()
        {
            _isOver = true;
            return default;
        }
    }
}
