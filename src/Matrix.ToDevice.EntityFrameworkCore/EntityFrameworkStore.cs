using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Matrix.ToDevice;

/// <summary>Keeps every promise of the seams in the database of a host's context, for any number of hosts that share it.</summary>
internal sealed class EntityFrameworkStore<TContext> : ITransactionStore, IDeviceInbox, IFederationOutbox, IStoreUpkeep, IDisposable
    where TContext : DbContext
{
    private readonly KnownRemovals _knownRemovals = new();
    private readonly Database _database;
    private readonly Writer _writer;
    private readonly Cleaner _cleaner;
    private readonly InboxReader _reader;
    private readonly Outbox _outbox;
    private readonly Leases _leases;
    private readonly Measures _measures;
    private readonly Upkeep _upkeep;

    public EntityFrameworkStore(IServiceScopeFactory scopes, TimeProvider time, ILogger<EntityFrameworkStore<TContext>>? logger = null)
    {
        _database = new Database<TContext>(scopes, time, (ILogger?)logger ?? NullLogger.Instance);
        _writer = new Writer(_database, time, _knownRemovals);
        _cleaner = new Cleaner(_database, time, _knownRemovals);
        _reader = new InboxReader(_database);
        _outbox = new Outbox(_database);
        _leases = new Leases(_database, time);
        _measures = new Measures(_database);
        _upkeep = new Upkeep(_database);
    }

    public long KnownRemovals => _knownRemovals.Last;

    public ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult<IToDeviceTransaction?>(new EntityFrameworkTransaction(this, key, knownRemovals, _writer.CommitAsync));
    }

    public ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken) =>
        _cleaner.PurgeAsync(endpoint, lastUsedBefore, atMost, cancellationToken);

    public ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Own(transaction).Append(messages);
        return ValueTask.CompletedTask;
    }

    public ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<OutboundEdu> edus, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Own(transaction).Append(edus);
        return ValueTask.CompletedTask;
    }

    public ValueTask<InboxPage> ReadAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        return _reader.ReadPageAsync(device, after, limit, maxBytes, cancellationToken);
    }

    public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken) =>
        _cleaner.AcknowledgeAsync(device, upTo, cancellationToken);

    public ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) =>
        _cleaner.RemoveDeviceAsync(device, cancellationToken);

    public ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return _outbox.ReadAsync(destination, after, limit, cancellationToken);
    }

    public ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken) =>
        _outbox.RemoveAsync(destination, edus, cancellationToken);

    public ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return _outbox.ListAsync(after, limit, cancellationToken);
    }

    public ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return _leases.AcquireAsync(holder, duration, limit, failingLimit, longestPause, cancellationToken);
    }

    public ValueTask<IReadOnlyList<OutboxLease>> AcquireTheseAsync(
        IReadOnlyList<string> destinations, string holder, TimeSpan duration, CancellationToken cancellationToken) =>
        _leases.AcquireTheseAsync(destinations, holder, duration, cancellationToken);

    public ValueTask<bool> RenewAsync(
        string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken) =>
        _leases.RenewAsync(destination, holder, duration, sendingUpTo, cancellationToken);

    public ValueTask ReleaseAsync(
        string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken) =>
        _leases.ReleaseAsync(destination, holder, failures, pause, cancellationToken);

    public ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken) => _measures.MeasureAsync(cancellationToken);

    public ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(
        IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken) =>
        _measures.MeasureAsync(devices, upTo, cancellationToken);

    public ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken) => _measures.IsCommittedAsync(key, cancellationToken);

    public ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken) =>
        _upkeep.ExpireAsync(committedBefore, atMost, cancellationToken);

    public ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken) =>
        _upkeep.TryTakeAsync(task, interval, cancellationToken);

    public async ValueTask<string?> CheckAsync(CancellationToken cancellationToken)
    {
        await _outbox.ListAsync(null, 1, cancellationToken);
        await _upkeep.TryTakeAsync("check", TimeSpan.Zero, cancellationToken);
        return null;
    }

    public void Dispose() => _database.Dispose();

    private EntityFrameworkTransaction Own(IToDeviceTransaction transaction)
    {
        if (transaction is not EntityFrameworkTransaction own || own.Store != this)
        {
            throw new ArgumentException(
                $"The transaction is a {transaction?.GetType().Name ?? "null"} of another store. Messages can only be appended to "
                + "the store that began the transaction, because two stores cannot commit together.", nameof(transaction));
        }

        own.ThrowIfOver();
        return own;
    }
}
