using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

/// <summary>
/// Keeps every promise of the seams but durability. One lock guards everything that can be seen, so a commit is one step
/// by construction; contents are copied in before it is taken.
/// </summary>
internal sealed class InMemoryStore(TimeProvider time, IOptions<InMemoryOptions> options)
    : ITransactionStore, IDeviceInbox, IFederationOutbox
{
    // What an entry takes up beside its content, about.
    private const int MessageBytes = 64;
    private const int TransactionBytes = 96;
    private const int EduBytes = 128;

    private readonly Lock _lock = new();
    private readonly ContentPool _contents = new();
    private readonly InMemoryInbox.LinkPool _links = new();
    private readonly Dictionary<DeviceAddress, InMemoryInbox> _inboxes = [];
    private readonly Dictionary<DeviceAddress, (long Number, long Ticks)> _removals = [];
    private readonly InMemoryTransactions _transactions = new();
    private readonly InMemoryOutbox _outbox = new();
    private readonly long _capacity = options.Value.CapacityBytes;
    private long _used;
    private long _lastRemoval;

    public long KnownRemovals => Volatile.Read(ref _lastRemoval);

    public ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult<IToDeviceTransaction?>(new InMemoryTransaction(this, key, knownRemovals));
    }

    public ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            var purged = _transactions.Purge(endpoint, lastUsedBefore, atMost);
            _used -= purged * TransactionBytes;
            if (purged < atMost)
            {
                foreach (var (device, removal) in _removals)
                    if (removal.Ticks < lastUsedBefore.UtcTicks) _removals.Remove(device);
            }

            return ValueTask.FromResult(purged);
        }
    }

    public ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var own = Own(transaction);
        var contents = ArrayPool<ContentPool.Slot>.Shared.Rent(messages.Count);
        lock (_lock)
        {
            for (var i = 0; i < messages.Count; i++) contents[i] = _contents.Rent(messages[i].Content.Length);
        }

        for (var i = 0; i < messages.Count; i++) messages[i].Content.Span.CopyTo(contents[i].Span);
        own.Messages.Add((messages, contents));
        return ValueTask.CompletedTask;
    }

    public ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<OutboundEdu> edus, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var own = Own(transaction);
        foreach (var edu in edus) own.Edus.Add((edu.Destination, edu.MessageId, edu.Content.ToArray()));
        return ValueTask.CompletedTask;
    }

    public ValueTask<InboxPage> ReadAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        lock (_lock)
        {
            if (!_inboxes.TryGetValue(device, out var inbox)) return ValueTask.FromResult(InboxPage.Empty);

            var first = (int)Math.Clamp(after.Sequence - inbox.FirstSequence + 1, 0, inbox.Count);
            var count = Math.Min(limit, inbox.Count - first);
            return ValueTask.FromResult(count == 0 ? InboxPage.Empty : CopyPage(inbox, first, count, maxBytes));
        }
    }

    public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            if (!_inboxes.TryGetValue(device, out var inbox)) return ValueTask.FromResult(0);

            var index = upTo.Sequence - inbox.FirstSequence;
            if (index < 0 || index >= inbox.Count || inbox[(int)index].SendId != upTo.SendId) return ValueTask.FromResult(0);

            var count = (int)index + 1;
            RemoveFirst(inbox, count);
            return ValueTask.FromResult(count);
        }
    }

    public ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            if (_inboxes.Remove(device, out var inbox)) RemoveFirst(inbox, inbox.Count);
            _used -= _transactions.RemoveDevice(device) * TransactionBytes;
            _removals[device] = (++_lastRemoval, time.GetUtcNow().UtcTicks);
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, int limit, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock) return ValueTask.FromResult<IReadOnlyList<OutboxEntry>>(_outbox.Read(destination, limit));
    }

    public ValueTask RemoveAsync(string destination, long upTo, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            var (count, bytes) = _outbox.Remove(destination, upTo);
            _used -= bytes + (long)count * EduBytes;
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock) return ValueTask.FromResult<IReadOnlyList<string>>(_outbox.List(after, limit));
    }

    public ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock) return ValueTask.FromResult<IReadOnlyList<OutboxLease>>(_outbox.Acquire(holder, time.GetUtcNow(), duration, limit));
    }

    public ValueTask<bool> RenewAsync(
        string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock) return ValueTask.FromResult(_outbox.Renew(destination, holder, time.GetUtcNow(), duration, sendingUpTo));
    }

    public ValueTask ReleaseAsync(
        string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock) _outbox.Release(destination, holder, failures, time.GetUtcNow(), pause);
        return ValueTask.CompletedTask;
    }

    internal CommitResult Commit(InMemoryTransaction transaction)
    {
        var now = time.GetUtcNow();
        var key = transaction.Key;
        var fingerprint = key.Fingerprint();
        var bytes = SizeOf(transaction);
        lock (_lock)
        {
            if (_transactions.Use(key, fingerprint, now)) return CommitResult.AlreadyCommitted;
            if (NamesRemovedDevice(transaction)) return CommitResult.DeviceRemoved;

            if (_used + bytes > _capacity)
                throw new InvalidOperationException($"The in-memory store has reached its capacity of {_capacity} bytes.");

            foreach (var (messages, contents) in transaction.Messages)
            {
                for (var i = 0; i < messages.Count; i++)
                {
                    var message = messages[i];
                    ref var inbox = ref CollectionsMarshal.GetValueRefOrAddDefault(_inboxes, message.Recipient, out _);
                    (inbox ??= new InMemoryInbox(_links)).Append(message, contents[i]);
                }
            }

            foreach (var (destination, messageId, content) in transaction.Edus) _outbox.Append(destination, messageId, content, now);
            _transactions.Add(key, fingerprint, now);
            _used += bytes;
            return CommitResult.Committed;
        }
    }

    /// <summary>Gives back what the transaction holds: the slots of its contents too, when they were not committed.</summary>
    internal void End(InMemoryTransaction transaction, bool committed)
    {
        foreach (var (messages, contents) in transaction.Messages)
        {
            if (!committed)
            {
                lock (_lock)
                {
                    for (var i = 0; i < messages.Count; i++) _contents.Return(contents[i]);
                }
            }

            ArrayPool<ContentPool.Slot>.Shared.Return(contents, clearArray: true);
        }

        transaction.Messages.Clear();
    }

    private bool NamesRemovedDevice(InMemoryTransaction transaction)
    {
        if (_lastRemoval <= transaction.KnownRemovals) return false;

        var key = transaction.Key;
        if (key.DeviceId is not null && IsRemoved(new DeviceAddress(key.UserId, key.DeviceId))) return true;
        foreach (var (messages, _) in transaction.Messages)
        {
            for (var i = 0; i < messages.Count; i++)
                if (IsRemoved(messages[i].Recipient)) return true;
        }

        return false;

        bool IsRemoved(DeviceAddress device) =>
            _removals.TryGetValue(device, out var removal) && removal.Number > transaction.KnownRemovals;
    }

    private InMemoryTransaction Own(IToDeviceTransaction transaction) =>
        transaction is InMemoryTransaction own && own.Store == this
            ? own
            : throw new ArgumentException(
                $"The transaction is a {transaction?.GetType().Name ?? "null"} of another store. Messages can only be appended to "
                + "the store that began the transaction, because two stores cannot commit together.", nameof(transaction));

    private static long SizeOf(InMemoryTransaction transaction)
    {
        long bytes = TransactionBytes;
        foreach (var (messages, _) in transaction.Messages)
            for (var i = 0; i < messages.Count; i++) bytes += MessageBytes + ContentPool.SizeOf(messages[i].Content.Length);
        foreach (var (_, _, content) in transaction.Edus) bytes += EduBytes + content.Length;
        return bytes;
    }

    private void RemoveFirst(InMemoryInbox inbox, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var content = inbox.RemoveFirst();
            _used -= MessageBytes + ContentPool.SizeOf(content.Length);
            _contents.Return(content);
        }
    }

    /// <summary>Copies: as soon as the lock is free, an acknowledgement may give the slots to other messages.</summary>
    private static InboxPage CopyPage(InMemoryInbox inbox, int first, int count, int maxBytes)
    {
        var entries = new InMemoryInbox.Entry[count];
        inbox.CopyTo(entries, first);
        var (fitting, contentBytes, bytes) = (0, 0, 0L);
        foreach (var entry in entries)
        {
            bytes += entry.Content.Length + Encoding.UTF8.GetByteCount(entry.EventType) + Encoding.UTF8.GetByteCount(entry.Sender);
            if (fitting > 0 && bytes > maxBytes) break;
            fitting++;
            contentBytes += entry.Content.Length;
        }

        var memory = new PageMemory(ArrayPool<byte>.Shared.Rent(contentBytes));
        var messages = new InboxMessage[fitting];
        var copied = 0;
        for (var i = 0; i < fitting; i++)
        {
            var entry = entries[i];
            entry.Content.Span.CopyTo(memory.Buffer.AsSpan(copied));
            messages[i] = new InboxMessage(
                new InboxPosition(entry.Sequence, entry.SendId), entry.Sender, entry.EventType,
                memory.Buffer.AsMemory(copied, entry.Content.Length));
            copied += entry.Content.Length;
        }

        return new InboxPage(messages, hasMore: first + fitting < inbox.Count, memory);
    }

    private sealed class PageMemory(byte[] buffer) : IDisposable
    {
        public byte[] Buffer => buffer;

        public void Dispose() => ArrayPool<byte>.Shared.Return(buffer);
    }
}
