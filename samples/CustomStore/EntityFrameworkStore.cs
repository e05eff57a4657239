using System.Buffers.Binary;
using System.Data;
using System.Text;
using Matrix.ToDevice;
using Microsoft.EntityFrameworkCore;

namespace CustomStore;

/// <summary>
/// A store for the send-to-device module in tables of the homeserver's own database, through its own DbContext.
/// docs/writing-a-store.md walks through this file. It is correct before it is fast: every promise is kept by an ordinary
/// transaction, and none by a trick of SQLite.
/// </summary>
/// <remarks>
/// Safe with several processes on one file of one machine: SQLite lets one of them write at a time, and the others wait.
/// They do not wake each other's long polls, which look by themselves every few seconds (D13).
/// </remarks>
public sealed class EntityFrameworkStore(IDbContextFactory<HomeserverDb> contexts, TimeProvider time)
    : ITransactionStore, IDeviceInbox, IFederationOutbox, IDisposable
{
    private const string Removals = "removals", Edus = "edus";

    private readonly SemaphoreSlim _writer = new(1);
    private long _knownRemovals;

    public void Dispose() => _writer.Dispose();

    // ---- One send -------------------------------------------------------------------------------------------------

    // <store-begin>
    /// <summary>Gathers in memory: until the commit, nobody sees anything and nobody waits.</summary>
    public ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(new Send(this, key, knownRemovals));
    }

    public ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Own(transaction).Messages.AddRange(messages);
        return default;
    }
    // </store-begin>

    public ValueTask AppendAsync(IToDeviceTransaction transaction, IReadOnlyList<OutboundEdu> edus, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Own(transaction).Edus.AddRange(edus);
        return default;
    }

    // <store-own>
    private Send Own(IToDeviceTransaction transaction)
    {
        if (transaction is not Send send || send.Store != this)
            throw new ArgumentException("The transaction is of another store: two stores cannot commit together.", nameof(transaction));

        send.ThrowIfOver();
        return send;
    }
    // </store-own>

    // <store-commit>
    private ValueTask<CommitResult> CommitAsync(Send send, CancellationToken cancellationToken) => WriteAsync(async db =>
    {
        // Was it committed before, and is everybody still there? Asked here, where nobody can come in between.
        var key = new byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(key, send.Key.Fingerprint());
        if (await db.Transactions.FindAsync(key) is { } record)
        {
            record.LastUsed = Now();
            return CommitResult.AlreadyCommitted;
        }

        if (await NamesRemovedDeviceAsync(db, send)) return CommitResult.DeviceRemoved;

        db.Add(new TransactionRow
        {
            Key = key,
            UserId = send.Key.UserId,
            DeviceId = send.Key.DeviceId,
            Endpoint = send.Key.Endpoint,
            LastUsed = Now(),
        });
        foreach (var message in send.Messages)
        {
            var (userId, deviceId) = message.Recipient;
            var inbox = await db.Inboxes.FindAsync(userId, deviceId) ?? db.Add(new InboxRow { UserId = userId, DeviceId = deviceId }).Entity;
            db.Add(new MessageRow
            {
                UserId = userId,
                DeviceId = deviceId,
                Sequence = ++inbox.LastSequence,
                SendId = message.SendId,
                Sender = message.Sender,
                EventType = message.EventType,
                Content = message.Content.ToArray(),
            });
        }

        var counter = await CounterAsync(db, Edus);
        foreach (var edu in send.Edus)
        {
            var destination = await db.Destinations.FindAsync(edu.Destination) ?? db.Add(new DestinationRow { Destination = edu.Destination }).Entity;
            // It is free since now, or since later: what was emptied and gets something again stands behind those that have waited.
            if (!await db.Edus.AnyAsync(waiting => waiting.Destination == edu.Destination)) destination.TakenUntil = Math.Max(destination.TakenUntil, Now());
            db.Add(new EduRow
            {
                Position = ++counter.Value,
                Destination = edu.Destination,
                MessageId = edu.MessageId,
                Content = edu.Content.ToArray(),
                CommittedAt = Now(),
            });
        }

        // What your homeserver wants to keep of a send is committed with it, or not at all.
        db.Add(new SendLogEntry { UserId = send.Key.UserId, EventType = send.Key.EventType, Messages = send.Messages.Count });
        return CommitResult.Committed;
    }, cancellationToken);
    // </store-commit>

    // <store-removed>
    private static async Task<bool> NamesRemovedDeviceAsync(HomeserverDb db, Send send)
    {
        var removed = await db.Removals.Where(removal => removal.Number > send.KnownRemovals)
            .Select(removal => new DeviceAddress(removal.UserId, removal.DeviceId)).ToHashSetAsync();
        return (send.Key.DeviceId is { } deviceId && removed.Contains(new DeviceAddress(send.Key.UserId, deviceId)))
            || send.Messages.Exists(message => removed.Contains(message.Recipient));
    }
    // </store-removed>

    // ---- The inbox of a device --------------------------------------------------------------------------------------

    // <store-read>
    public async ValueTask<InboxPage> ReadAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await using var db = await contexts.CreateDbContextAsync(cancellationToken);
        // One statement: a page is of one moment. One message more than asked for tells whether there are more.
        var rows = MessagesOf(db, device).AsNoTracking().Where(message => message.Sequence > after.Sequence)
            .OrderBy(message => message.Sequence).Take(Math.Min(limit, int.MaxValue - 1) + 1);
        var messages = new List<InboxMessage>();
        var bytes = 0L;
        // Row by row: what does not fit is left in the database.
        await foreach (var row in rows.AsAsyncEnumerable().WithCancellation(cancellationToken))
        {
            bytes += row.Content.Length + Encoding.UTF8.GetByteCount(row.EventType) + Encoding.UTF8.GetByteCount(row.Sender);
            if (messages.Count == limit || (messages.Count > 0 && bytes > maxBytes)) return new InboxPage(messages, hasMore: true);
            messages.Add(new InboxMessage(new InboxPosition(row.Sequence, row.SendId), row.Sender, row.EventType, row.Content));
        }

        return new InboxPage(messages, hasMore: false);
    }
    // </store-read>

    // <store-acknowledge>
    public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken) =>
        WriteAsync(async db =>
        {
            var messages = MessagesOf(db, device);
            var holds = await messages.AnyAsync(message => message.Sequence == upTo.Sequence && message.SendId == upTo.SendId);
            return holds ? await messages.Where(message => message.Sequence <= upTo.Sequence).ExecuteDeleteAsync() : 0;
        }, cancellationToken);
    // </store-acknowledge>

    private static IQueryable<MessageRow> MessagesOf(HomeserverDb db, DeviceAddress device) =>
        db.Messages.Where(message => message.UserId == device.UserId && message.DeviceId == device.DeviceId);

    // ---- The end of a device ----------------------------------------------------------------------------------------

    // <store-remove>
    public async ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) => await WriteAsync(async db =>
    {
        await RemoveDeviceAsync(db, device);
        return 0;
    }, cancellationToken);

    /// <summary>The same within a transaction of the host, for when more goes with the device: all of it or nothing.</summary>
    public async Task RemoveDeviceAsync(HomeserverDb db, DeviceAddress device)
    {
        if (db.Database.CurrentTransaction is null) throw new InvalidOperationException("Begin a transaction first: this is more than one statement.");

        var (userId, deviceId) = device;
        // The homeserver's own row goes in the same step: no crash can come between the two.
        await db.Devices.Where(row => row.UserId == userId && row.DeviceId == deviceId).ExecuteDeleteAsync();
        await MessagesOf(db, device).ExecuteDeleteAsync();
        await db.Inboxes.Where(row => row.UserId == userId && row.DeviceId == deviceId).ExecuteDeleteAsync();
        await db.Transactions.Where(row => row.UserId == userId && row.DeviceId == deviceId).ExecuteDeleteAsync();

        // The number comes from a row, so the next one can be given out only after this one is committed.
        var counter = await CounterAsync(db, Removals);
        db.Add(new RemovalRow { Number = ++counter.Value, UserId = userId, DeviceId = deviceId, RemovedAt = Now() });
        await db.SaveChangesAsync();
        // Others count on before this context is used again.
        db.Entry(counter).State = EntityState.Detached;
    }

    /// <summary>What this instance has learned so far. It may lag behind; it is never ahead of what is committed.</summary>
    public long KnownRemovals => Volatile.Read(ref _knownRemovals);
    // </store-remove>

    // <store-purge>
    public ValueTask<int> PurgeAsync(
        string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken) => WriteAsync(async db =>
    {
        var due = lastUsedBefore.UtcTicks;
        await db.Removals.Where(removal => removal.RemovedAt < due).ExecuteDeleteAsync();
        return await db.Transactions.Where(record => record.Endpoint == endpoint && record.LastUsed < due)
            .OrderBy(record => record.LastUsed).Take(atMost).ExecuteDeleteAsync();
    }, cancellationToken);
    // </store-purge>

    // ---- The outbox to other servers --------------------------------------------------------------------------------

    public async ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await using var db = await contexts.CreateDbContextAsync(cancellationToken);
        return await db.Edus.Where(edu => edu.Destination == destination && edu.Position > after).OrderBy(edu => edu.Position).Take(limit)
            .Select(edu => new OutboxEntry(edu.Position, edu.MessageId, edu.Content, new DateTimeOffset(edu.CommittedAt, TimeSpan.Zero)))
            .ToListAsync(cancellationToken);
    }

    public async ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken) => await WriteAsync(async db =>
    {
        foreach (var (position, messageId, _, _) in edus)
        {
            await db.Edus.Where(edu => edu.Destination == destination && edu.Position == position && edu.MessageId == messageId).ExecuteDeleteAsync();
        }

        await ForgetIfEmptyAsync(db, destination);
        return true;
    }, cancellationToken);

    public async ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await using var db = await contexts.CreateDbContextAsync(cancellationToken);
        // SQLite compares texts by their bytes: ordinal. In other databases that is a collation to ask for ("C", a BIN2).
        return await db.Edus.Select(edu => edu.Destination).Where(destination => after == null || string.Compare(destination, after) > 0)
            .Distinct().OrderBy(destination => destination).Take(limit).ToListAsync(cancellationToken);
    }

    // <store-leases>
    public ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken) =>
        WriteAsync<IReadOnlyList<OutboxLease>>(async db =>
    {
        var now = Now();
        // A clock that was set back keeps nobody away for longer than it would have.
        var far = now + longestPause.Ticks;
        await db.Destinations.Where(row => row.TakenUntil > far).ExecuteUpdateAsync(rows => rows.SetProperty(row => row.TakenUntil, now));

        // Those that have failed apart and last: however many there are, the others do not wait for them.
        List<DestinationRow> free = [];
        await FindAsync(db.Destinations.Where(row => !row.HasFailed), limit);
        await FindAsync(db.Destinations.Where(row => row.HasFailed), Math.Min(limit, free.Count + failingLimit));
        foreach (var row in free) (row.Holder, row.TakenUntil) = (holder, now + duration.Ticks);
        return [.. free.Select(row => new OutboxLease(row.Destination, row.SendingUpTo, row.Failures))];

        async Task FindAsync(IQueryable<DestinationRow> destinations, int upTo)
        {
            var due = destinations.Where(row => row.TakenUntil <= now).OrderBy(row => row.TakenUntil)
                .Select(row => new { Row = row, IsWaiting = db.Edus.Any(edu => edu.Destination == row.Destination) });
            // Row by row, until there are enough.
            await foreach (var found in due.AsAsyncEnumerable())
            {
                if (free.Count >= upTo) break;
                if (found.IsWaiting) free.Add(found.Row);
                else db.Remove(found.Row); // Its holder has not come back.
            }
        }
    }, cancellationToken);

    public ValueTask<bool> RenewAsync(
        string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken) => WriteAsync(async db =>
    {
        if (await db.Destinations.FindAsync(destination) is not { } row || row.Holder != holder) return false;
        (row.TakenUntil, row.SendingUpTo) = (Now() + duration.Ticks, sendingUpTo);
        return true;
    }, cancellationToken);

    public async ValueTask ReleaseAsync(
        string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken) => await WriteAsync(async db =>
    {
        if (await db.Destinations.FindAsync(destination) is not { } row || row.Holder != holder) return false;
        (row.Holder, row.Failures, row.HasFailed, row.TakenUntil) = (null, failures, failures > 0, Now() + pause.Ticks);
        await db.SaveChangesAsync();
        await ForgetIfEmptyAsync(db, destination);
        return true;
    }, cancellationToken);

    /// <summary>Of a destination for which nothing waits, and that nobody has taken, nothing is kept: anybody can name one.</summary>
    private static Task<int> ForgetIfEmptyAsync(HomeserverDb db, string destination) => db.Destinations
        .Where(row => row.Destination == destination && row.Holder == null && !db.Edus.Any(edu => edu.Destination == row.Destination))
        .ExecuteDeleteAsync();
    // </store-leases>

    // ---- Writing ----------------------------------------------------------------------------------------------------

    // <store-write>
    /// <summary>Everything that changes something goes through here: one transaction of the database, one after another.</summary>
    private async ValueTask<T> WriteAsync<T>(Func<HomeserverDb, Task<T>> write, CancellationToken cancellationToken)
    {
        // A caller may give up while it waits here. From here on the write is carried through, whoever has gone.
        await _writer.WaitAsync(cancellationToken);
        try
        {
            await using var db = await contexts.CreateDbContextAsync(CancellationToken.None);
            // SQLite takes its write lock here, also against other processes. If one keeps it too long, this throws: a 503.
            await using var transaction = await db.Database.BeginTransactionAsync(IsolationLevel.Serializable, CancellationToken.None);
            var result = await write(db);
            var removals = (await CounterAsync(db, Removals)).Value;
            await db.SaveChangesAsync(CancellationToken.None);
            await transaction.CommitAsync(CancellationToken.None);
            Volatile.Write(ref _knownRemovals, removals);
            return result;
        }
        finally
        {
            _writer.Release();
        }
    }
    // </store-write>

    private static async Task<CounterRow> CounterAsync(HomeserverDb db, string name) =>
        await db.Counters.FindAsync(name) ?? db.Add(new CounterRow { Name = name }).Entity;

    private long Now() => time.GetUtcNow().UtcTicks;

    // <store-send>
    /// <summary>What one send will write. Contents lie in the request's memory, which is there until it is disposed.</summary>
    private sealed class Send(EntityFrameworkStore store, TransactionKey key, long knownRemovals) : IToDeviceTransaction
    {
        private bool _isOver;

        public EntityFrameworkStore Store => store;
        public TransactionKey Key => key;
        public long KnownRemovals => knownRemovals;
        public List<ToDeviceMessage> Messages { get; } = [];
        public List<OutboundEdu> Edus { get; } = [];

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
    // </store-send>
}

// <store-tables>
/// <summary>The to-device tables. <see cref="Add"/> puts them into the homeserver's model, so its migrations make them.</summary>
public static class ToDeviceTables
{
    public static void Add(ModelBuilder model)
    {
        // A key, a place in an inbox and a place in the outbox are each there once: the database sees to it, whoever errs.
        model.Entity<TransactionRow>().ToTable("to_device_transaction").HasKey(row => row.Key);
        model.Entity<TransactionRow>().HasIndex(row => new { row.UserId, row.DeviceId });
        model.Entity<TransactionRow>().HasIndex(row => new { row.Endpoint, row.LastUsed });
        model.Entity<InboxRow>().ToTable("to_device_inbox").HasKey(row => new { row.UserId, row.DeviceId });
        model.Entity<MessageRow>().ToTable("to_device_message").HasKey(row => new { row.UserId, row.DeviceId, row.Sequence });
        model.Entity<RemovalRow>().ToTable("to_device_removal").HasKey(row => row.Number);
        model.Entity<EduRow>().ToTable("to_device_edu").HasKey(row => row.Position);
        model.Entity<EduRow>().HasIndex(row => new { row.Destination, row.Position });
        model.Entity<DestinationRow>().ToTable("to_device_destination").HasKey(row => row.Destination);
        model.Entity<DestinationRow>().HasIndex(row => new { row.HasFailed, row.TakenUntil });
        model.Entity<CounterRow>().ToTable("to_device_counter").HasKey(row => row.Name);
        // These numbers are ours, not the database's.
        model.Entity<RemovalRow>().Property(row => row.Number).ValueGeneratedNever();
        model.Entity<EduRow>().Property(row => row.Position).ValueGeneratedNever();
    }
}
// </store-tables>

/// <summary>A send that was committed. Only the key's fingerprint, but of a device, so that it can go with the device.</summary>
public sealed class TransactionRow
{
    public required byte[] Key { get; init; }
    public required string UserId { get; init; }
    public required string? DeviceId { get; init; }
    public required string Endpoint { get; init; }
    public long LastUsed { get; set; }
}

/// <summary>The last number of an inbox. Apart from its messages, because an inbox that is emptied goes on counting.</summary>
public sealed class InboxRow
{
    public required string UserId { get; init; }
    public required string DeviceId { get; init; }
    public long LastSequence { get; set; }
}

public sealed class MessageRow
{
    public required string UserId { get; init; }
    public required string DeviceId { get; init; }
    public long Sequence { get; init; }
    public long SendId { get; init; }
    public required string Sender { get; init; }
    public required string EventType { get; init; }
    public required byte[] Content { get; init; }
}

public sealed class RemovalRow
{
    public long Number { get; init; }
    public required string UserId { get; init; }
    public required string DeviceId { get; init; }
    public long RemovedAt { get; init; }
}

public sealed class EduRow
{
    public long Position { get; init; }
    public required string Destination { get; init; }
    public required string MessageId { get; init; }
    public required byte[] Content { get; init; }
    public long CommittedAt { get; init; }
}

/// <summary>Who sends to a destination, until when, and what the last one who did has noted.</summary>
public sealed class DestinationRow
{
    public required string Destination { get; init; }
    public string? Holder { get; set; }
    public long TakenUntil { get; set; }
    public long SendingUpTo { get; set; }
    public int Failures { get; set; }

    /// <summary>Whether there are failures: the index is over this.</summary>
    public bool HasFailed { get; set; }
}

/// <summary>A number that only goes up, also when the rows that had one are gone.</summary>
public sealed class CounterRow
{
    public required string Name { get; init; }
    public long Value { get; set; }
}
