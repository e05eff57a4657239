using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>Keeps every promise of the seams in one PostgreSQL, for any number of hosts.</summary>
internal sealed class PostgreSqlStore(
    IOptions<PostgreSqlStoreOptions> options, TimeProvider time,
    ILogger<PostgreSqlStore>? logger = null, NpgsqlDataSource? dataSource = null, IInboxSignals? signals = null,
    IMeterFactory? meters = null)
    : ITransactionStore, IDeviceInbox, IFederationOutbox, IStoreUpkeep, IAsyncDisposable, IDisposable
{
    private readonly SemaphoreSlim _opening = new(1);
    private readonly KnownRemovals _knownRemovals = new();
    private volatile Opened? _opened;
    private volatile bool _disposed;

    public long KnownRemovals => _knownRemovals.Last;

    public bool SignalsEveryCommit => _opened is { IsHearing: true };

    /// <summary>Connects and brings the tables up to date, if that has not been done yet.</summary>
    /// <exception cref="PostgreSqlStoreException">The database cannot be used; the message says what to mend.</exception>
    public ValueTask<Opened> OpenAsync(CancellationToken cancellationToken) =>
        _opened is { } opened ? ValueTask.FromResult(opened) : OpenFirstAsync(cancellationToken);

    public ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult<IToDeviceTransaction?>(new PostgreSqlTransaction(this, key, knownRemovals));
    }

    public async ValueTask<CommitResult> CommitAsync(PostgreSqlTransaction transaction, CancellationToken cancellationToken)
    {
        var opened = await OpenAsync(cancellationToken);
        return await opened.Writer.CommitAsync(transaction, cancellationToken);
    }

    public async ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken)
    {
        var opened = await OpenAsync(cancellationToken);
        return await opened.Cleaner.PurgeAsync(endpoint, lastUsedBefore, atMost, cancellationToken);
    }

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

    public async ValueTask<InboxPage> ReadAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        PostgreSqlText.Check(device);
        var opened = await OpenAsync(cancellationToken);
        return await opened.Reader.ReadPageAsync(device, after, limit, maxBytes, cancellationToken);
    }

    public async ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken)
    {
        PostgreSqlText.Check(device);
        var opened = await OpenAsync(cancellationToken);
        return await opened.Cleaner.AcknowledgeAsync(device, upTo, cancellationToken);
    }

    public async ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken)
    {
        PostgreSqlText.Check(device);
        var opened = await OpenAsync(cancellationToken);
        await opened.Cleaner.RemoveDeviceAsync(device, cancellationToken);
        opened.Notifier?.DeviceRemoved(device);
    }

    /// <inheritdoc cref="PostgreSqlDevices.RemoveAndCommitAsync"/>
    public async ValueTask RemoveAndCommitAsync(NpgsqlTransaction transaction, DeviceAddress device, CancellationToken cancellationToken)
    {
        PostgreSqlText.Check(device);
        var opened = await OpenAsync(cancellationToken);
        await opened.Cleaner.RemoveAndCommitAsync(transaction, device, cancellationToken);
        signals?.DeviceRemoved(device);
        opened.Notifier?.DeviceRemoved(device);
    }

    public async ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        var opened = await OpenAsync(cancellationToken);
        return await opened.Outbox.ReadAsync(destination, after, limit, cancellationToken);
    }

    public async ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken)
    {
        var opened = await OpenAsync(cancellationToken);
        await opened.Outbox.RemoveAsync(destination, edus, cancellationToken);
    }

    public async ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        var opened = await OpenAsync(cancellationToken);
        return await opened.Outbox.ListDestinationsAsync(after, limit, cancellationToken);
    }

    public async ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        var opened = await OpenAsync(cancellationToken);
        return await opened.Leases.AcquireAsync(holder, duration, limit, failingLimit, longestPause, cancellationToken);
    }

    public async ValueTask<IReadOnlyList<OutboxLease>> AcquireTheseAsync(
        IReadOnlyList<string> destinations, string holder, TimeSpan duration, CancellationToken cancellationToken)
    {
        var opened = await OpenAsync(cancellationToken);
        return await opened.Leases.AcquireTheseAsync(destinations, holder, duration, cancellationToken);
    }

    public async ValueTask<bool> RenewAsync(
        string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken)
    {
        var opened = await OpenAsync(cancellationToken);
        return await opened.Leases.RenewAsync(destination, holder, duration, sendingUpTo, cancellationToken);
    }

    public async ValueTask ReleaseAsync(
        string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken)
    {
        var opened = await OpenAsync(cancellationToken);
        await opened.Leases.ReleaseAsync(destination, holder, failures, pause, cancellationToken);
    }

    public async ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken)
    {
        var opened = await OpenAsync(cancellationToken);
        return await opened.Measures.MeasureAsync(cancellationToken);
    }

    public async ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(
        IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken)
    {
        foreach (var device in devices) PostgreSqlText.Check(device);
        var opened = await OpenAsync(cancellationToken);
        return await opened.Measures.MeasureAsync(devices, upTo, cancellationToken);
    }

    public async ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken)
    {
        var opened = await OpenAsync(cancellationToken);
        return await opened.Upkeep.IsCommittedAsync(key, cancellationToken);
    }

    public async ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken)
    {
        var opened = await OpenAsync(cancellationToken);
        return await opened.Upkeep.ExpireAsync(committedBefore, atMost, cancellationToken);
    }

    public async ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken)
    {
        PostgreSqlText.CheckName(task, nameof(task));
        var opened = await OpenAsync(cancellationToken);
        return await opened.Upkeep.TryTakeAsync(task, interval, cancellationToken);
    }

    public async ValueTask<string?> CheckAsync(CancellationToken cancellationToken)
    {
        var opened = await OpenAsync(cancellationToken);
        return await opened.CheckAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _opening.WaitAsync();
        try
        {
            _disposed = true;
            if (_opened is not null) await _opened.DisposeAsync();
            _opened = null;
        }
        finally
        {
            _opening.Release();
        }
    }

    // A container that is disposed synchronously asks for this one.
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    private async ValueTask<Opened> OpenFirstAsync(CancellationToken cancellationToken)
    {
        await _opening.WaitAsync(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _opened ??= await Opened.CreateAsync(options.Value, dataSource, _knownRemovals, signals, new StoreMetrics(meters), time, (ILogger?)logger ?? NullLogger.Instance, cancellationToken);
        }
        finally
        {
            _opening.Release();
        }
    }

    private PostgreSqlTransaction Own(IToDeviceTransaction transaction)
    {
        if (transaction is not PostgreSqlTransaction own || own.Store != this)
        {
            throw new ArgumentException(
                $"The transaction is a {transaction?.GetType().Name ?? "null"} of another store. Messages can only be appended to "
                + "the store that began the transaction, because two stores cannot commit together.", nameof(transaction));
        }

        own.ThrowIfOver();
        return own;
    }
}
