using System.Text;

namespace Matrix.ToDevice.Tests;

/// <summary>What lies in a <see cref="ReferenceStore"/>. Instances share it; it outlives them.</summary>
internal sealed class ReferenceData
{
    public Lock Lock { get; } = new();
    public Dictionary<DeviceAddress, Inbox> Inboxes { get; } = [];
    public Dictionary<TransactionKey, DateTimeOffset> LastUses { get; } = [];
    public List<(long Number, DeviceAddress Device, DateTimeOffset At)> Removals { get; } = [];
    public long LastRemoval { get; set; }
    public SortedDictionary<string, List<OutboxEntry>> Edus { get; } = new(StringComparer.Ordinal);
    public long LastEdu { get; set; }
    public Dictionary<string, Lease> Leases { get; } = [];
    public Dictionary<string, DateTimeOffset> Tasks { get; } = [];

    /// <summary>What a store keeps elsewhere: a restored backup does not change it.</summary>
    public Dictionary<string, long> Beside { get; init; } = [];

    /// <summary>As it is now, for a backup, or again from there.</summary>
    public ReferenceData Copy()
    {
        var copy = new ReferenceData { LastRemoval = LastRemoval, LastEdu = LastEdu, Beside = Beside };
        foreach (var (device, inbox) in Inboxes)
        {
            copy.Inboxes.Add(device, new() { LastSequence = inbox.LastSequence });
            copy.Inboxes[device].Messages.AddRange(inbox.Messages);
        }

        foreach (var (key, used) in LastUses) copy.LastUses.Add(key, used);
        copy.Removals.AddRange(Removals);
        foreach (var (destination, edus) in Edus) copy.Edus.Add(destination, [.. edus]);
        foreach (var (destination, lease) in Leases) copy.Leases.Add(destination, lease with { });
        return copy;
    }

    internal sealed record Lease
    {
        public string? Holder { get; set; }
        public DateTimeOffset TakenUntil { get; set; }
        public long SendingUpTo { get; set; }
        public int Failures { get; set; }
    }

    internal sealed class Inbox
    {
        public List<InboxMessage> Messages { get; } = [];
        public long LastSequence { get; set; }
    }
}

/// <summary>
/// Keeps every promise in the plainest way: one lock around everything. Restarts and several instances come for nothing,
/// because the data lies elsewhere. Its steps can be overridden, so that each can be broken alone.
/// </summary>
internal class ReferenceStore(ReferenceData data, TimeProvider time) : ITransactionStore, IDeviceInbox, IFederationOutbox, IStoreUpkeep
{
    private long _knownRemovals = data.LastRemoval;

    public virtual long KnownRemovals => Volatile.Read(ref _knownRemovals);

    protected ReferenceData Data => data;

    public ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken) =>
        DoAsync<IToDeviceTransaction?>(() => Use(KeyOf(key)) ? null : new Transaction(this, KeyOf(key), knownRemovals), cancellationToken);

    public virtual ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken) =>
        DoAsync(() => Append(Own(transaction), messages), cancellationToken);

    public ValueTask AppendAsync(IToDeviceTransaction transaction, IReadOnlyList<OutboundEdu> edus, CancellationToken cancellationToken) =>
        DoOutboxAsync(() => Append(OwnForOutbox(transaction), edus), cancellationToken);

    public virtual ValueTask<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken) =>
        DoAsync(() => Check(transaction) ?? Apply(transaction), cancellationToken);

    public virtual ValueTask AbandonAsync(Transaction transaction) => ValueTask.CompletedTask;

    public ValueTask<InboxPage> ReadAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken) =>
        DoAsync(() => Read(InboxOf(device), after, limit, maxBytes), cancellationToken);

    public virtual ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken) =>
        DoAsync(() => Acknowledge(InboxOf(device), upTo), cancellationToken);

    public virtual ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) =>
        DoAsync(() => RemoveDevice(device), cancellationToken);

    public ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken) =>
        DoAsync(() => Purge(endpoint, lastUsedBefore, atMost), cancellationToken);

    public ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken) =>
        DoOutboxAsync(() => ReadEdus(destination, after, limit), cancellationToken);

    public ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken) =>
        DoOutboxAsync(() => RemoveEdus(destination, edus), cancellationToken);

    public ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken) =>
        DoOutboxAsync(() => ListDestinations(after, limit), cancellationToken);

    public virtual ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken) =>
        DoOutboxAsync(() => Take(FindFree(limit, failingLimit, longestPause), holder, duration), cancellationToken);

    public ValueTask<IReadOnlyList<OutboxLease>> AcquireTheseAsync(
        IReadOnlyList<string> destinations, string holder, TimeSpan duration, CancellationToken cancellationToken) =>
        DoOutboxAsync(() => Take(FindThese(destinations), holder, duration), cancellationToken);

    public ValueTask<bool> RenewAsync(
        string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken) =>
        DoOutboxAsync(() => Renew(LeaseOf(destination), holder, duration, sendingUpTo), cancellationToken);

    public ValueTask ReleaseAsync(
        string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken) =>
        DoOutboxAsync(
            () =>
            {
                Release(LeaseOf(destination), holder, failures, pause);
                ForgetIfEmpty(destination);
            },
            cancellationToken);

    public ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken) => DoAsync(Measure, cancellationToken);

    public ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(
        IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken) =>
        DoAsync<IReadOnlyList<InboxSize>>(() => [.. Named(devices).Select(device => Measure(InboxOf(device), upTo))], cancellationToken);

    public ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken) => DoAsync(() => IsKnown(KeyOf(key)), cancellationToken);

    public virtual ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken) =>
        DoAsync(() => Expire(committedBefore, atMost), cancellationToken);

    public virtual ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken) =>
        DoAsync(() => IsDue(task, interval) && Take(task), cancellationToken);

    public ValueTask<string?> CheckAsync(CancellationToken cancellationToken) => DoAsync<string?>(() => null, cancellationToken);

    protected virtual TransactionKey KeyOf(TransactionKey key) => key;

    protected virtual DeviceAddress InboxOf(DeviceAddress device) => device;

    protected virtual bool IsOwn(IToDeviceTransaction transaction) => transaction is Transaction own && own.Store == this;

    protected virtual bool IsOwnForOutbox(IToDeviceTransaction transaction) => transaction is Transaction own && own.Store == this;

    protected virtual bool IsOverForCommit(Transaction transaction) => transaction.CommitWasCalled || transaction.IsDisposed;

    protected virtual bool IsOver(Transaction transaction) => transaction.CommitWasCalled || transaction.IsDisposed;

    protected virtual bool IsOverForOutbox(Transaction transaction) => transaction.CommitWasCalled || transaction.IsDisposed;

    protected virtual void Append(Transaction transaction, IReadOnlyList<ToDeviceMessage> messages) =>
        transaction.Messages.AddRange(messages.Select(message => message with { Content = Keep(message.Content) }));

    protected virtual void Append(Transaction transaction, IReadOnlyList<OutboundEdu> edus) =>
        transaction.Edus.AddRange(edus.Select(edu => edu with { Content = KeepEdu(edu.Content) }));

    protected virtual ReadOnlyMemory<byte> Keep(ReadOnlyMemory<byte> content) => content.ToArray();

    protected virtual ReadOnlyMemory<byte> KeepEdu(ReadOnlyMemory<byte> content) => content.ToArray();

    /// <summary>What speaks against the commit, if anything.</summary>
    protected virtual CommitResult? Check(Transaction transaction)
    {
        if (IsCommitted(transaction)) return CommitResult.AlreadyCommitted;
        if (!NamesRemovedDevice(transaction)) return null;

        Learn();
        return CommitResult.DeviceRemoved;
    }

    protected virtual bool IsCommitted(Transaction transaction) => Use(transaction.Key);

    /// <summary>Whether the key was committed; if so, it has been used now.</summary>
    protected virtual bool Use(TransactionKey key)
    {
        if (!data.LastUses.ContainsKey(key)) return false;
        data.LastUses[key] = time.GetUtcNow();
        return true;
    }

    protected virtual bool NamesRemovedDevice(Transaction transaction) =>
        IsRemoved(new DeviceAddress(transaction.Key.UserId, transaction.Key.DeviceId!), transaction)
        || transaction.Messages.Any(message => IsRemoved(message.Recipient, transaction));

    protected virtual bool IsRemoved(DeviceAddress device, Transaction transaction) =>
        data.Removals.Any(removal => removal.Device == device && removal.Number > transaction.KnownRemovals);

    protected virtual void Learn() => Volatile.Write(ref _knownRemovals, data.LastRemoval);

    protected virtual CommitResult Apply(Transaction transaction)
    {
        foreach (var message in transaction.Messages) Deliver(message);
        foreach (var edu in transaction.Edus) Deliver(edu);
        Record(transaction);
        return CommitResult.Committed;
    }

    protected virtual void Record(Transaction transaction) => data.LastUses[transaction.Key] = time.GetUtcNow();

    protected void Deliver(ToDeviceMessage message)
    {
        var inbox = Inbox(message.Recipient);
        Deliver(message, NextSequence(inbox));
    }

    protected void Deliver(ToDeviceMessage message, long sequence)
    {
        var messages = Inbox(message.Recipient).Messages;
        var place = messages.FindLastIndex(other => other.Position.Sequence < sequence) + 1;
        messages.Insert(place, new InboxMessage(
            new InboxPosition(sequence, message.SendId), message.Sender, EventTypeOf(message), message.Content)
        {
            CommittedAt = CommittedAt(message),
        });
    }

    protected virtual DateTimeOffset? CommittedAt(ToDeviceMessage message) => time.GetUtcNow();

    protected virtual string EventTypeOf(ToDeviceMessage message) => message.EventType;

    protected virtual long NextSequence(ReferenceData.Inbox inbox) => ++inbox.LastSequence;

    protected ReferenceData.Inbox Inbox(DeviceAddress device)
    {
        if (!data.Inboxes.TryGetValue(InboxOf(device), out var inbox)) data.Inboxes.Add(InboxOf(device), inbox = new());
        return inbox;
    }

    protected void Deliver(OutboundEdu edu) => Deliver(edu, NextEdu(edu.Destination));

    protected void Deliver(OutboundEdu edu, long position)
    {
        if (!data.Edus.TryGetValue(edu.Destination, out var waiting))
        {
            data.Edus.Add(edu.Destination, waiting = []);
            FreeSince(LeaseOf(edu.Destination), time.GetUtcNow());
        }

        var place = waiting.FindLastIndex(other => other.Position < position) + 1;
        waiting.Insert(place, new OutboxEntry(position, edu.MessageId, edu.Content, time.GetUtcNow()));
    }

    /// <summary>Something waits from now on.</summary>
    protected virtual void FreeSince(ReferenceData.Lease lease, DateTimeOffset now) => lease.TakenUntil = lease.TakenUntil > now ? lease.TakenUntil : now;

    protected virtual long NextEdu(string destination) => ++data.LastEdu;

    protected virtual InboxPage Read(DeviceAddress device, InboxPosition after, int limit, int maxBytes)
    {
        if (!data.Inboxes.TryGetValue(device, out var inbox)) return InboxPage.Empty;
        var behind = Visible(device, inbox).Where(message => message.Position.Sequence > after.Sequence).ToList();
        var bytes = 0L;
        List<InboxMessage> page = [.. behind.Take(limit).TakeWhile((message, n) => (bytes += SizeOf(message)) <= maxBytes || n == 0)];
        return new InboxPage(page, behind.Count > page.Count);
    }

    protected virtual int SizeOf(InboxMessage message) =>
        message.Content.Length + Encoding.UTF8.GetByteCount(message.EventType) + Encoding.UTF8.GetByteCount(message.Sender);

    protected virtual IEnumerable<InboxMessage> Visible(DeviceAddress device, ReferenceData.Inbox inbox) => inbox.Messages;

    protected virtual int Acknowledge(DeviceAddress device, InboxPosition upTo) =>
        data.Inboxes.TryGetValue(device, out var inbox) && inbox.Messages.Exists(message => message.Position == upTo)
            ? inbox.Messages.RemoveAll(message => message.Position.Sequence <= upTo.Sequence)
            : 0;

    protected virtual void RemoveDevice(DeviceAddress device)
    {
        RemoveMessages(device);
        RemoveRecords(device);
        data.Removals.Add((++data.LastRemoval, device, time.GetUtcNow()));
        Learn();
    }

    protected virtual void RemoveMessages(DeviceAddress device) => data.Inboxes.Remove(InboxOf(device));

    protected virtual void RemoveRecords(DeviceAddress device)
    {
        foreach (var key in data.LastUses.Keys)
            if (new DeviceAddress(key.UserId, key.DeviceId!) == device) data.LastUses.Remove(key);
    }

    protected virtual int Purge(string endpoint, DateTimeOffset lastUsedBefore, int atMost)
    {
        var due = data.LastUses.Where(record => IsOf(endpoint, record.Key) && record.Value < lastUsedBefore).Take(atMost).ToList();
        foreach (var (key, _) in due) data.LastUses.Remove(key);
        data.Removals.RemoveAll(removal => removal.At < lastUsedBefore);
        return due.Count;
    }

    protected virtual StoreStatistics Measure()
    {
        var inboxes = data.Inboxes.Values.Where(inbox => Count(inbox) > 0).ToList();
        return new StoreStatistics(
            inboxes.Sum(Count), inboxes.Count, inboxes.Select(Count).DefaultIfEmpty().Max(), inboxes.Min(Oldest),
            MeasureEdus(hasFailed: false), MeasureEdus(hasFailed: true));
    }

    protected virtual long Count(ReferenceData.Inbox inbox) => inbox.Messages.Count;

    protected virtual DateTimeOffset? Oldest(ReferenceData.Inbox inbox) => inbox.Messages.Min(message => message.CommittedAt);

    protected virtual OutboxStatistics MeasureEdus(bool hasFailed)
    {
        var edus = data.Edus.Where(pair => HasFailed(pair.Key) == hasFailed).SelectMany(pair => pair.Value.Select(edu => (pair.Key, edu.CommittedAt))).ToList();
        return new OutboxStatistics(
            edus.DistinctBy(edu => edu.Key).Count(), edus.Count, edus.Min(edu => (DateTimeOffset?)edu.CommittedAt));
    }

    protected virtual IEnumerable<DeviceAddress> Named(IReadOnlyList<DeviceAddress> devices) => devices;

    protected virtual InboxSize Measure(DeviceAddress device, InboxSize upTo) => data.Inboxes.TryGetValue(device, out var inbox)
        ? new InboxSize(inbox.Messages.Count, upTo.Bytes == 0 ? 0 : inbox.Messages.Sum(message => (long)message.Content.Length))
        : default;

    protected virtual bool IsKnown(TransactionKey key) => data.LastUses.ContainsKey(key);

    protected virtual int Expire(DateTimeOffset committedBefore, int atMost)
    {
        var expired = 0;
        foreach (var inbox in data.Inboxes.Values)
        {
            var due = Due(inbox, committedBefore).Take(atMost - expired).ToList();
            expired += inbox.Messages.RemoveAll(due.Contains);
        }

        return expired;
    }

    protected virtual IEnumerable<InboxMessage> Due(ReferenceData.Inbox inbox, DateTimeOffset committedBefore) =>
        inbox.Messages.TakeWhile(message => message.CommittedAt < committedBefore);

    protected virtual bool IsDue(string task, TimeSpan interval) => !data.Tasks.TryGetValue(task, out var taken) || time.GetUtcNow() - taken >= interval;

    protected virtual bool Take(string task)
    {
        data.Tasks[task] = time.GetUtcNow();
        return true;
    }

    protected virtual bool IsOf(string endpoint, TransactionKey key) => key.Endpoint == endpoint;

    protected virtual IReadOnlyList<OutboxEntry> ReadEdus(string destination, long after, int limit) =>
        data.Edus.TryGetValue(destination, out var waiting) ? [.. waiting.Where(edu => edu.Position > after).Take(limit)] : [];

    protected virtual void RemoveEdus(string destination, IReadOnlyList<OutboxEntry> edus)
    {
        if (!data.Edus.TryGetValue(destination, out var waiting)) return;
        waiting.RemoveAll(edu => edus.Any(removed => Is(edu, removed)));
        if (waiting.Count == 0) data.Edus.Remove(destination);
        ForgetIfEmpty(destination);
    }

    /// <summary>Of a destination for which nothing waits, and that nobody has taken, nothing is kept.</summary>
    protected virtual void ForgetIfEmpty(string destination)
    {
        if (!data.Edus.ContainsKey(destination) && LeaseOf(destination).Holder is null) data.Leases.Remove(destination);
    }

    protected virtual bool Is(OutboxEntry edu, OutboxEntry removed) => edu.Position == removed.Position && edu.MessageId == removed.MessageId;

    protected virtual IReadOnlyList<string> ListDestinations(string? after, int limit) =>
        [.. data.Edus.Keys.Where(destination => after is null || string.CompareOrdinal(destination, after) > 0).Take(limit)];

    protected virtual ReferenceData.Lease LeaseOf(string destination)
    {
        if (!data.Leases.TryGetValue(destination, out var lease)) data.Leases.Add(destination, lease = new());
        return lease;
    }

    protected virtual List<string> FindFree(int limit, int failingLimit, TimeSpan longestPause)
    {
        var now = time.GetUtcNow();
        foreach (var lease in data.Leases.Values.Where(lease => IsTooFar(lease.TakenUntil, now + longestPause))) lease.TakenUntil = now;
        ForgetDeadHolders(now);
        var free = data.Edus.Keys.Where(destination => LeaseOf(destination).TakenUntil <= now).OrderBy(destination => LeaseOf(destination).TakenUntil).ToLookup(HasFailed);
        List<string> found = [.. free[false].Take(limit)];
        return [.. found, .. free[true].Take(Math.Min(failingLimit, limit - found.Count))];
    }

    protected virtual List<string> FindThese(IReadOnlyList<string> destinations) =>
        [.. FindFree(int.MaxValue, 0, TimeSpan.FromDays(1)).Intersect(destinations)];

    /// <summary>Their holders have not come back, and nothing waits.</summary>
    protected virtual void ForgetDeadHolders(DateTimeOffset now)
    {
        foreach (var (destination, lease) in data.Leases.Where(pair => pair.Value.TakenUntil <= now && !data.Edus.ContainsKey(pair.Key)).ToList())
        {
            lease.Holder = null;
            ForgetIfEmpty(destination);
        }
    }

    /// <summary>A clock was set back.</summary>
    protected virtual bool IsTooFar(DateTimeOffset takenUntil, DateTimeOffset longest) => takenUntil > longest;

    protected virtual bool HasFailed(string destination) => LeaseOf(destination).Failures > 0;

    protected virtual IReadOnlyList<OutboxLease> Take(List<string> free, string holder, TimeSpan duration)
    {
        foreach (var destination in free) (LeaseOf(destination).Holder, LeaseOf(destination).TakenUntil) = (holder, time.GetUtcNow() + duration);
        return free.ConvertAll(destination => new OutboxLease(destination, LeaseOf(destination).SendingUpTo, LeaseOf(destination).Failures));
    }

    protected virtual bool Renew(ReferenceData.Lease lease, string holder, TimeSpan duration, long sendingUpTo)
    {
        if (lease.Holder != holder) return false;
        (lease.TakenUntil, lease.SendingUpTo) = (time.GetUtcNow() + duration, sendingUpTo);
        return true;
    }

    protected virtual void Release(ReferenceData.Lease lease, string holder, int failures, TimeSpan pause)
    {
        if (lease.Holder != holder) return;
        (lease.Holder, lease.Failures, lease.TakenUntil) = (null, failures, time.GetUtcNow() + pause);
    }

    protected virtual void ThrowIfCancelled(CancellationToken cancellationToken) => cancellationToken.ThrowIfCancellationRequested();

    protected virtual void ThrowIfOutboxCancelled(CancellationToken cancellationToken) => cancellationToken.ThrowIfCancellationRequested();

    /// <summary>Does something in one step.</summary>
    protected ValueTask<T> DoAsync<T>(Func<T> action, CancellationToken cancellationToken)
    {
        ThrowIfCancelled(cancellationToken);
        lock (data.Lock) return ValueTask.FromResult(action());
    }

    protected async ValueTask DoAsync(Action action, CancellationToken cancellationToken) => await DoAsync(
        () =>
        {
            action();
            return true;
        },
        cancellationToken);

    protected ValueTask<T> DoOutboxAsync<T>(Func<T> action, CancellationToken cancellationToken)
    {
        ThrowIfOutboxCancelled(cancellationToken);
        return DoAsync(action, CancellationToken.None);
    }

    private async ValueTask DoOutboxAsync(Action action, CancellationToken cancellationToken)
    {
        ThrowIfOutboxCancelled(cancellationToken);
        await DoAsync(action, CancellationToken.None);
    }

    private Transaction Own(IToDeviceTransaction transaction) =>
        IsOwn(transaction) ? Open(transaction as Transaction ?? new Transaction(this, default, 0), IsOver) : throw Foreign();

    private Transaction OwnForOutbox(IToDeviceTransaction transaction) =>
        IsOwnForOutbox(transaction) ? Open(transaction as Transaction ?? new Transaction(this, default, 0), IsOverForOutbox) : throw Foreign();

    private static Transaction Open(Transaction transaction, Func<Transaction, bool> isOver) =>
        isOver(transaction) ? throw Over() : transaction;

    private static ArgumentException Foreign() => new("The transaction is of another store.");

    private static InvalidOperationException Over() => new("The transaction is over.");

    /// <summary>One send, gathered until its commit.</summary>
    internal sealed class Transaction(ReferenceStore store, TransactionKey key, long knownRemovals) : IToDeviceTransaction
    {
        public ReferenceStore Store => store;
        public TransactionKey Key => key;
        public long KnownRemovals => knownRemovals;
        public List<ToDeviceMessage> Messages { get; } = [];
        public List<OutboundEdu> Edus { get; } = [];


        /// <summary>What came of the commit, if it has returned.</summary>
        public CommitResult? Result { get; private set; }
        public bool CommitWasCalled { get; private set; }
        public bool IsDisposed { get; private set; }

        public async ValueTask<CommitResult> CommitAsync(CancellationToken cancellationToken)
        {
            store.ThrowIfCancelled(cancellationToken);
            if (store.IsOverForCommit(this)) throw Over();
            CommitWasCalled = true;
            var result = await store.CommitAsync(this, cancellationToken);
            Result = result;
            return result;
        }

        public async ValueTask DisposeAsync()
        {
            if (!IsDisposed && Result != CommitResult.Committed) await store.AbandonAsync(this);
            IsDisposed = true;
        }
    }
}
