using System.Diagnostics.Metrics;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

/// <summary>Keeps every promise of the seams in one SQLite file.</summary>
internal sealed class SqliteStore(IOptions<SqliteStoreOptions> options, TimeProvider time, IInboxSignals? signals = null, IMeterFactory? meters = null)
    : ITransactionStore, IDeviceInbox, IFederationOutbox, IStoreUpkeep, IDisposable
{
    // Enough that deleting them together changes few pages, and few enough that no commit takes long.
    private const int CleanUpRows = 2000;

    private static readonly TimeSpan s_longestWrite = TimeSpan.FromSeconds(30);

    private readonly Lock _opening = new();
    private readonly RecentRemovals _removed = new();
    private readonly StoreMetrics _metrics = new(meters);
    private volatile Opened? _opened;
    private int _cleanUps;
    private int _acknowledged;
    private bool _disposed;

    public long KnownRemovals => _removed.Last;

    // No other process can open the file.
    public bool SignalsEveryCommit => true;

    /// <summary>Wakes the syncs of this host.</summary>
    public IInboxSignals? Signals => signals;

    private SqliteWriter Writer => Open().Writer;
    private SqliteReaders Readers => Open().Readers;

    /// <summary>Opens the file and brings its tables up to date, if that has not been done yet.</summary>
    /// <exception cref="SqliteStoreException">The file cannot be used; the message says what to mend.</exception>
    public Opened Open()
    {
        if (_opened is { } opened) return opened;
        lock (_opening)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_opened is not null) return _opened;

            var file = new SqliteFile(options.Value);
            try
            {
                SqliteSchema.Upgrade(file.Anchor, file.Path, time.GetUtcNow());
                SqliteFile.Settle(file.Anchor);
                var readers = new SqliteReaders(file);
                var writer = new SqliteWriter(file, readers, () => new WriteConnection(file.OpenForWriting(), _removed, time), _metrics);
                _opened = new Opened(file, writer, readers, FreeAllAsync(writer));
            }
            catch (Exception exception)
            {
                file.Dispose();
                throw file.Explain(exception);
            }

            _ = CleanUpAsync(_opened.Writer);
            return _opened;
        }
    }

    public ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult<IToDeviceTransaction?>(new SqliteTransaction(this, key, knownRemovals));
    }

    public ValueTask<CommitResult> CommitAsync(SqliteTransaction transaction, CancellationToken cancellationToken) =>
        Writer.WriteAsync(transaction, cancellationToken);

    public async ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken)
    {
        var purged = await Writer.WriteAsync(connection => connection.Purge(endpoint, lastUsedBefore, atMost), cancellationToken);
        _ = CleanUpAsync(Writer);
        return purged;
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

    public ValueTask<InboxPage> ReadAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        SqliteText.Check(device);
        return Readers.ReadAsync(connection => connection.ReadPage(device, after, limit, maxBytes), cancellationToken);
    }

    public async ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken)
    {
        SqliteText.Check(device);
        // Most tokens come again and again while nothing arrives: those need no commit.
        if (!await Readers.ReadAsync(connection => connection.Holds(device, upTo), cancellationToken)) return 0;
        var acknowledged = await Writer.WriteAsync(connection => connection.Acknowledge(device, upTo), cancellationToken);
        if (Interlocked.Add(ref _acknowledged, acknowledged) >= CleanUpRows) _ = CleanUpAsync(Writer);
        return acknowledged;
    }

    public async ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken)
    {
        SqliteText.Check(device);
        if (await Writer.WriteAsync(connection => connection.RemoveDevice(device), cancellationToken)) _ = CleanUpAsync(Writer);
    }

    public async ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        SqliteText.Check(destination, nameof(destination));
        return await Readers.ReadAsync(connection => connection.ReadEdus(destination, after, limit), cancellationToken);
    }

    public async ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken)
    {
        SqliteText.Check(destination, nameof(destination));
        await Writer.WriteAsync(connection => connection.Outbox.Remove(destination, edus), cancellationToken);
    }

    public async ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return await Readers.ReadAsync(connection => connection.ListDestinations(after, limit), cancellationToken);
    }

    public async ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        SqliteText.Check(holder, nameof(holder));
        var opened = Open();
        await opened.Freed.WaitAsync(cancellationToken);
        // Most of the time there is nothing to send: that is no write, and holds up none.
        var now = time.GetUtcNow();
        if (!await opened.Readers.ReadAsync(connection => connection.HasFree(now, now + longestPause, failingLimit > 0), cancellationToken)) return [];
        return await opened.Writer.WriteAsync(
            connection => connection.Outbox.Acquire(holder, duration, limit, failingLimit, longestPause), cancellationToken);
    }

    public async ValueTask<IReadOnlyList<OutboxLease>> AcquireTheseAsync(
        IReadOnlyList<string> destinations, string holder, TimeSpan duration, CancellationToken cancellationToken)
    {
        foreach (var destination in destinations) SqliteText.Check(destination, nameof(destinations));
        SqliteText.Check(holder, nameof(holder));
        var opened = Open();
        await opened.Freed.WaitAsync(cancellationToken);
        return await opened.Writer.WriteAsync(connection => connection.Outbox.Acquire(destinations, holder, duration), cancellationToken);
    }

    public ValueTask<bool> RenewAsync(
        string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken)
    {
        SqliteText.Check(destination, nameof(destination));
        SqliteText.Check(holder, nameof(holder));
        return Writer.WriteAsync(connection => connection.Outbox.Renew(destination, holder, duration, sendingUpTo), cancellationToken);
    }

    public async ValueTask ReleaseAsync(
        string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken)
    {
        SqliteText.Check(destination, nameof(destination));
        SqliteText.Check(holder, nameof(holder));
        await Writer.WriteAsync(connection => connection.Outbox.Release(destination, holder, failures, pause), cancellationToken);
    }

    public async ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken)
    {
        var found = new StoreStatistics(0, 0, 0, null, default, default);
        for (long? after = 0; after is { } last;)
            after = await Readers.ReadAsync(connection => connection.Measures.AddInboxes(last, ref found), cancellationToken);
        for (var after = ""; after is not null;)
        {
            var last = after;
            after = await Readers.ReadAsync(connection => connection.Measures.AddDestinations(last, ref found), cancellationToken);
        }

        return found;
    }

    public ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(
        IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken)
    {
        foreach (var device in devices) SqliteText.Check(device);
        return Readers.ReadAsync<IReadOnlyList<InboxSize>>(
            connection => [.. devices.Select(device => connection.Measures.Measure(device, upTo))], cancellationToken);
    }

    public ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken) =>
        Writer.WriteAsync(connection => connection.IsCommitted(key), cancellationToken);

    public async ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken)
    {
        var expired = 0;
        var kept = new HashSet<long>();
        for (long? last = 0; last is { } after && expired < atMost;)
        {
            // What nobody can see any more would be walked over.
            while (await Writer.WriteAsync(connection => connection.CleanUp(CleanUpRows), cancellationToken))
            {
            }

            var step = Math.Min(atMost - expired, CleanUpRows);
            (var done, last) = await Writer.WriteAsync(connection => connection.Expire(committedBefore, step, after, kept), cancellationToken);
            expired += done;
        }

        if (expired > 0) _ = CleanUpAsync(Writer);
        return expired;
    }

    public ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken)
    {
        SqliteText.Check(task, nameof(task));
        return Writer.WriteAsync(connection => connection.Take(task, interval), cancellationToken);
    }

    public async ValueTask<string?> CheckAsync(CancellationToken cancellationToken)
    {
        var opened = Open();
        opened.File.CheckClaim();
        await opened.Readers.ReadAsync(connection => connection.ListDestinations(null, 1), cancellationToken);
        try
        {
            await opened.Writer.WriteAsync(connection => connection.Take("check", TimeSpan.Zero), cancellationToken)
                .AsTask().WaitAsync(s_longestWrite, time, cancellationToken);
        }
        catch (TimeoutException exception)
        {
            throw new SqliteStoreException($"Nothing was written to {opened.File.Path} for {s_longestWrite.TotalSeconds} s. Check the disk.", exception);
        }

        return opened.File.FindLongLog();
    }

    public void Dispose()
    {
        lock (_opening)
        {
            _disposed = true;
            _opened?.Dispose();
            _opened = null;
        }
    }

    /// <summary>Only one process has the file: who had taken destinations before is dead. Written before anybody can take one.</summary>
    private static async Task FreeAllAsync(SqliteWriter writer)
    {
        try
        {
            await writer.WriteAsync(connection => connection.Outbox.FreeAll(), CancellationToken.None);
        }
        catch (Exception exception) when (exception is SqliteStoreException or ObjectDisposedException)
        {
            // Then they wait until their time has run out.
        }
    }

    /// <summary>Deletes what nobody can see any more, some rows for each commit, until nothing is left. It runs once at a time.</summary>
    private async Task CleanUpAsync(SqliteWriter writer)
    {
        var asked = Interlocked.Increment(ref _cleanUps);
        if (asked > 1) return;
        try
        {
            do
            {
                asked = Volatile.Read(ref _cleanUps);
                Interlocked.Exchange(ref _acknowledged, 0);
                while (await writer.WriteAsync(connection => connection.CleanUp(CleanUpRows), CancellationToken.None))
                {
                }
            }
            while (Interlocked.Add(ref _cleanUps, -asked) > 0);
        }
        catch (Exception exception) when (exception is SqliteStoreException or ObjectDisposedException)
        {
            // The next purge, removal or start goes on with it, or the next thousands of messages; until then the disk is left alone.
            Interlocked.Exchange(ref _cleanUps, 0);
        }
    }

    private SqliteTransaction Own(IToDeviceTransaction transaction)
    {
        if (transaction is not SqliteTransaction own || own.Store != this)
        {
            throw new ArgumentException(
                $"The transaction is a {transaction?.GetType().Name ?? "null"} of another store. Messages can only be appended to "
                + "the store that began the transaction, because two stores cannot commit together.", nameof(transaction));
        }

        own.ThrowIfOver();
        return own;
    }

    internal sealed record Opened(SqliteFile File, SqliteWriter Writer, SqliteReaders Readers, Task Freed) : IDisposable
    {
        public void Dispose()
        {
            Readers.Dispose();
            Writer.Dispose();
            File.Dispose();
        }
    }
}
