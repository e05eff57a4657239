using System.Buffers;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

/// <summary>
/// Keeps every promise of the seams but durability. One lock guards everything that can be seen, so a commit is one step
/// by construction; contents are copied in before it is taken.
/// </summary>
internal sealed class InMemoryStore : ITransactionStore, IDeviceInbox, IFederationOutbox, IStoreUpkeep
{
    // The most messages or records that go under one hold of the lock, so that nobody waits long for it.
    private const int AtOnce = 256;

    // A content as large as they may be by default.
    private const int LargeContent = 65536;

    private readonly Lock _lock = new();
    private readonly InMemoryCapacity _capacity;
    private readonly InMemoryInboxes _inboxes;
    private readonly RecentRemovals _removals = new();
    private readonly InMemoryTransactions _transactions;
    private readonly InMemoryOutbox _outbox;
    private readonly InMemoryUpkeep _upkeep;
    private readonly TimeProvider _time;
    private readonly IInboxSignals? _signals;

    // Nobody else can reach it.
    public bool SignalsEveryCommit => true;

    public InMemoryStore(TimeProvider time, IOptions<InMemoryOptions> options, IInboxSignals? signals = null)
    {
        (_time, _signals) = (time, signals);
        _capacity = new InMemoryCapacity(options.Value.CapacityBytes);
        _inboxes = new InMemoryInboxes(_capacity);
        _transactions = new InMemoryTransactions(_capacity);
        _outbox = new InMemoryOutbox(_capacity);
        _upkeep = new InMemoryUpkeep(_lock, _inboxes, _outbox);
    }

    public long KnownRemovals => _removals.Last;

    public ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult<IToDeviceTransaction?>(new InMemoryTransaction(this, key, knownRemovals));
    }

    public ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var purged = 0;
        for (var more = true; more && purged < atMost;)
        {
            var step = Math.Min(atMost - purged, AtOnce);
            int done;
            lock (_lock) done = _transactions.Purge(endpoint, lastUsedBefore, step);
            purged += done;
            more = done == step;
        }

        return ValueTask.FromResult(purged);
    }

    public ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var own = Own(transaction);
        var part = new InMemoryTransaction.Part(messages, ArrayPool<ContentPool.Slot>.Shared.Rent(messages.Count));
        var bytes = InMemoryInboxes.SizeOf(part);
        bool hasRoom;
        lock (_lock)
        {
            hasRoom = _capacity.TryTake(bytes);
            if (hasRoom && !_inboxes.TryRent(part))
            {
                _capacity.Give(bytes);
                hasRoom = false;
            }
        }

        if (!hasRoom)
        {
            ArrayPool<ContentPool.Slot>.Shared.Return(part.Contents, clearArray: true);
            throw _capacity.Exceeded();
        }

        own.ReservedBytes += bytes;
        own.Add(part);
        for (var i = 0; i < messages.Count; i++) messages[i].Content.Span.CopyTo(part.Contents[i].Span);
        return ValueTask.CompletedTask;
    }

    public ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<OutboundEdu> edus, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var own = Own(transaction);
        var bytes = 0L;
        foreach (var edu in edus) bytes += InMemoryOutbox.SizeOf(edu);
        lock (_lock)
        {
            if (!_capacity.TryTake(bytes)) throw _capacity.Exceeded();
        }

        own.ReservedBytes += bytes;
        foreach (var edu in edus) own.Add(new InMemoryOutbox.Edu(edu));
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
            return ValueTask.FromResult(count == 0 ? InboxPage.Empty : inbox.CopyPage(first, count, maxBytes));
        }
    }

    public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        int count;
        InMemoryInbox? acknowledged = null;
        lock (_lock)
        {
            if (!_inboxes.TryGetValue(device, out var inbox)) return ValueTask.FromResult(0);

            var index = upTo.Sequence - inbox.FirstSequence;
            if (index < 0 || index >= inbox.Count || inbox[(int)index].SendId != upTo.SendId) return ValueTask.FromResult(0);

            count = (int)index + 1;
            if (count > AtOnce) acknowledged = inbox.Split(count);
            _inboxes.RemoveFirst(inbox, count - (acknowledged?.Count ?? 0));
        }

        Free(acknowledged, null);
        return ValueTask.FromResult(count);
    }

    public ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        InMemoryInbox? inbox;
        InMemoryRequester? requester;
        lock (_lock)
        {
            inbox = _inboxes.Remove(device);
            requester = _transactions.RemoveDevice(device);
            _removals.Add(device);
        }

        Free(inbox, requester);
        return ValueTask.CompletedTask;
    }

    public ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock) return ValueTask.FromResult<IReadOnlyList<OutboxEntry>>(_outbox.Read(destination, after, limit));
    }

    public ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock) _outbox.Remove(destination, edus);
        return ValueTask.CompletedTask;
    }

    public ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock) return ValueTask.FromResult<IReadOnlyList<string>>(_outbox.List(after, limit));
    }

    public ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var now = _time.GetUtcNow();
        lock (_lock)
            return ValueTask.FromResult<IReadOnlyList<OutboxLease>>(_outbox.Acquire(holder, now, duration, limit, failingLimit, longestPause));
    }

    public ValueTask<IReadOnlyList<OutboxLease>> AcquireTheseAsync(
        IReadOnlyList<string> destinations, string holder, TimeSpan duration, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var now = _time.GetUtcNow();
        lock (_lock) return ValueTask.FromResult<IReadOnlyList<OutboxLease>>(_outbox.Acquire(destinations, holder, now, duration));
    }

    public ValueTask<bool> RenewAsync(
        string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock) return ValueTask.FromResult(_outbox.Renew(destination, holder, _time.GetUtcNow(), duration, sendingUpTo));
    }

    public ValueTask ReleaseAsync(
        string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock) _outbox.Release(destination, holder, failures, _time.GetUtcNow(), pause);
        return ValueTask.CompletedTask;
    }

    public ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(_upkeep.Measure());
    }

    public ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(
        IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult<IReadOnlyList<InboxSize>>(_upkeep.Measure(devices, upTo));
    }

    public ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var fingerprint = key.Fingerprint();
        lock (_lock) return ValueTask.FromResult(_transactions.Contains(fingerprint));
    }

    public ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(_upkeep.Expire(committedBefore, atMost));
    }

    public ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(_upkeep.TryTake(task, interval, _time.GetUtcNow()));
    }

    public ValueTask<string?> CheckAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock) return _capacity.HasRoom(LargeContent) ? ValueTask.FromResult<string?>(null) : throw _capacity.Exceeded();
    }

    internal CommitResult Commit(InMemoryTransaction transaction)
    {
        var now = _time.GetUtcNow();
        var fingerprint = transaction.Fingerprint;
        CommitResult? result;
        lock (_lock)
        {
            result = _transactions.Use(fingerprint, now) ? CommitResult.AlreadyCommitted
                : NamesRemovedDevice(transaction) ? CommitResult.DeviceRemoved
                : _transactions.TryAdd(transaction.Key, fingerprint, now) ? CommitResult.Committed
                : null;
            // In a commit, what is given back here is taken at once.
            _capacity.Give(transaction.ReservedBytes);
            if (result == CommitResult.Committed) Deliver(transaction, now);
            else _inboxes.Return(transaction);
        }

        ReturnArrays(transaction);
        if (result == CommitResult.Committed && _signals is not null)
        {
            // Whoever has made it, the module's endpoint or somebody else (D25).
            for (var part = transaction.FirstPart; part is not null; part = part.Next) _signals.MessagesArrived(part.Messages);
        }

        return result ?? throw _capacity.Exceeded();
    }

    /// <summary>Gives back what a transaction holds that is not committed.</summary>
    internal void Abandon(InMemoryTransaction transaction)
    {
        if (transaction.ReservedBytes == 0) return;
        lock (_lock)
        {
            _capacity.Give(transaction.ReservedBytes);
            _inboxes.Return(transaction);
        }

        ReturnArrays(transaction);
    }

    private void Deliver(InMemoryTransaction transaction, DateTimeOffset now)
    {
        _inboxes.Append(transaction, now);
        for (var edu = transaction.FirstEdu; edu is not null;)
        {
            var next = edu.Next;
            _outbox.Append(edu, now);
            edu = next;
        }
    }

    private static void ReturnArrays(InMemoryTransaction transaction)
    {
        for (var part = transaction.FirstPart; part is not null; part = part.Next)
            ArrayPool<ContentPool.Slot>.Shared.Return(part.Contents, clearArray: true);
    }

    private bool NamesRemovedDevice(InMemoryTransaction transaction)
    {
        var known = transaction.KnownRemovals;
        if (_removals.Last <= known) return false;

        var key = transaction.Key;
        if (key.DeviceId is not null && _removals.MayName(new DeviceAddress(key.UserId, key.DeviceId), known)) return true;
        for (var part = transaction.FirstPart; part is not null; part = part.Next)
        {
            for (var i = 0; i < part.Messages.Count; i++)
                if (_removals.MayName(part.Messages[i].Recipient, known)) return true;
        }

        return false;
    }

    private InMemoryTransaction Own(IToDeviceTransaction transaction)
    {
        if (transaction is not InMemoryTransaction own || own.Store != this)
        {
            throw new ArgumentException(
                $"The transaction is a {transaction?.GetType().Name ?? "null"} of another store. Messages can only be appended to "
                + "the store that began the transaction, because two stores cannot commit together.", nameof(transaction));
        }

        own.ThrowIfOver();
        return own;
    }

    /// <summary>Gives back what nobody sees any more, in steps.</summary>
    private void Free(InMemoryInbox? inbox, InMemoryRequester? requester)
    {
        for (var more = inbox is not null || requester is not null; more;)
        {
            lock (_lock)
            {
                if (inbox is not null) _inboxes.RemoveFirst(inbox, Math.Min(inbox.Count, AtOnce));
                more = (requester is not null && _transactions.Free(requester, AtOnce)) | inbox?.Count > 0;
            }
        }
    }
}
