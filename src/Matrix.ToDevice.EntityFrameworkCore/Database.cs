using System.Data;
using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>The database: contexts and transactions for it, and what is tried again.</summary>
internal abstract class Database(TimeProvider time, ILogger logger) : IDisposable
{
    private const string Sqlite = "Microsoft.EntityFrameworkCore.Sqlite";
    private const int MaxAttempts = 6;

    // Enough to keep a database busy, and few enough to leave the host some of its connections.
    private const int MaxWriters = 16;

    private static readonly TimeSpan s_longestPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_longestTrying = TimeSpan.FromSeconds(10);

    private SemaphoreSlim? _writers;
    private bool _isSynced;

    public void Dispose() => _writers?.Dispose();

    /// <summary>Runs something that only reads. May be repeated.</summary>
    public async ValueTask<T> ReadAsync<T>(Func<DbContext, CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return await RunAsync(read, cancellationToken);
    }

    /// <summary>
    /// Runs something that writes. May be repeated, also when a commit was carried out and its answer was lost. A caller may give up
    /// while it waits for its turn; from then on it is carried through, whoever has gone.
    /// </summary>
    public async ValueTask<T> WriteAsync<T>(Func<DbContext, Task<T>> write, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var writers = _writers ?? await CreateWritersAsync(cancellationToken);
        await writers.WaitAsync(cancellationToken);
        try
        {
            return await RunAsync((db, _) => write(db), CancellationToken.None);
        }
        finally
        {
            writers.Release();
        }
    }

    /// <inheritdoc cref="WriteAsync"/>
    /// <summary>The same in one transaction, which is committed when <paramref name="write"/> returns.</summary>
    public ValueTask<T> TransactAsync<T>(Func<DbContext, Task<T>> write, CancellationToken cancellationToken) => WriteAsync(async db =>
    {
        await using var transaction = await BeginAsync(db);
        var result = await write(db);
        await transaction.CommitAsync(CancellationToken.None);
        return result;
    }, cancellationToken);

    /// <summary>
    /// Begins a transaction in which a statement sees what was committed before that statement, so what is read behind a lock
    /// is as it is. SQLite takes its write lock here.
    /// </summary>
    public static Task<IDbContextTransaction> BeginAsync(DbContext db) =>
        db.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, CancellationToken.None);

    protected abstract ValueTask<OwnContext> OpenAsync(CancellationToken cancellationToken);

    private async ValueTask<T> RunAsync<T>(Func<DbContext, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await HostTransaction.Without(() => AttemptAsync(work, cancellationToken));
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested && attempt < MaxAttempts
                && time.GetElapsedTime(started) < s_longestTrying && IsOfDatabase(exception))
            {
                Log.TriedAgain(logger, attempt, exception);
            }
            catch (Exception exception) when (cancellationToken.IsCancellationRequested && exception is not OperationCanceledException)
            {
                // Some drivers say it in another way.
                throw new OperationCanceledException(exception.Message, exception, cancellationToken);
            }

            // The first time at once: that is a deadlock, or somebody has made the same row.
            if (attempt > 1)
                await Task.Delay(Min(s_longestPause, TimeSpan.FromMilliseconds(10 << (2 * attempt))), time, cancellationToken);
        }
    }

    /// <summary>Once, or as often as the host's own execution strategy tries.</summary>
    private async Task<T> AttemptAsync<T>(Func<DbContext, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        await using var context = await OpenAsync(cancellationToken);
        var strategy = context.Db.Database.CreateExecutionStrategy();
        return strategy.RetriesOnFailure
            ? await strategy.ExecuteAsync(async cancellation =>
            {
                // What was saved in vain is still in the first one.
                await using var fresh = await OpenAsync(cancellation);
                return await RunAsync(fresh.Db, cancellation);
            }, cancellationToken)
            : await RunAsync(context.Db, cancellationToken);

        async Task<T> RunAsync(DbContext db, CancellationToken cancellation)
        {
            // Changes are told to the context where they are made; and an attempt that fails is thrown away as a whole.
            db.ChangeTracker.AutoDetectChangesEnabled = false;
            db.Database.AutoSavepointsEnabled = false;
            await SyncAsync(db, cancellation);
            return await work(db, cancellation);
        }
    }

    /// <summary>
    /// A process that was killed in a commit may have left it with the operating system and not on SQLite's disk: it has to be
    /// there before anybody sees it. Entity Framework Core has no name for that; other databases see to it.
    /// </summary>
    private async Task SyncAsync(DbContext db, CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _isSynced)) return;
        if (db.Database.ProviderName == Sqlite) await db.Database.ExecuteSqlRawAsync("PRAGMA wal_checkpoint(FULL)", cancellationToken);
        Volatile.Write(ref _isSynced, true);
    }

    private async ValueTask<SemaphoreSlim> CreateWritersAsync(CancellationToken cancellationToken)
    {
        await using var context = await OpenAsync(cancellationToken);
        // SQLite lets one write at a time, and the others of this process do better to stand in line than to try again and again.
        var created = new SemaphoreSlim(context.Db.Database.ProviderName == Sqlite ? 1 : MaxWriters);
        if (Interlocked.CompareExchange(ref _writers, created, null) is not { } earlier) return created;
        created.Dispose();
        return earlier;
    }

    /// <summary>
    /// Whether it came from the database. Each has numbers of its own for deadlocks, serialization failures, duplicate keys and broken
    /// connections; and since nothing happens twice, whatever it was may be tried again.
    /// </summary>
    private static bool IsOfDatabase(Exception exception)
    {
        if (exception is RetryLimitExceededException) return false;
        for (var cause = exception; cause is not null; cause = cause.InnerException)
            if (cause is DbException or DbUpdateException or ChangedMeanwhileException) return true;
        return false;
    }

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;
}

/// <inheritdoc/>
internal sealed class Database<TContext>(IServiceScopeFactory scopes, TimeProvider time, ILogger logger) : Database(time, logger)
    where TContext : DbContext
{
    protected override ValueTask<OwnContext> OpenAsync(CancellationToken cancellationToken) => OwnContext.OpenAsync<TContext>(scopes, cancellationToken);
}

/// <summary>A row was there a moment ago and is not any more: the attempt begins again.</summary>
internal sealed class ChangedMeanwhileException() : Exception("A row was changed meanwhile.");
