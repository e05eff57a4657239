using System.Threading.Channels;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Matrix.ToDevice;

/// <summary>
/// The one writer. It takes whatever waits, writes it in one transaction, and tells everybody when that is on the disk:
/// requests that come together share the cost of the disk's confirmation, and nobody waits for a timer.
/// </summary>
internal sealed class SqliteWriter : IDisposable
{
    private const int MaxWaiting = 4096;
    private const int MaxBatchItems = 256;
    private const int FewItems = 2;
    private const int MaxBatchBytes = 8 << 20;

    private readonly Channel<WriteItem> _waiting = Channel.CreateBounded<WriteItem>(
        new BoundedChannelOptions(MaxWaiting) { SingleReader = true });

    private readonly SqliteFile _file;
    private readonly SqliteReaders _readers;
    private readonly Func<WriteConnection> _connect;
    private readonly StoreMetrics _metrics;
    private readonly Thread _thread;
    private readonly AutoResetEvent _arrived = new(initialState: false);
    private readonly Action _arrive;
    private WriteConnection? _connection;
    private long _logPages;

    /// <param name="file">The file.</param>
    /// <param name="readers">Whoever else has it open.</param>
    /// <param name="connect">Makes a connection: the first one, and another one after an error.</param>
    /// <param name="metrics">Is told how many sends share a commit.</param>
    public SqliteWriter(SqliteFile file, SqliteReaders readers, Func<WriteConnection> connect, StoreMetrics metrics)
    {
        _file = file;
        _readers = readers;
        _connect = connect;
        _metrics = metrics;
        _arrive = () => _arrived.Set();
        _thread = new Thread(Run) { IsBackground = true, Name = "Matrix.ToDevice SQLite writer" };
        _thread.Start();
    }

    /// <summary>Writes with the next commit, and returns when that is on the disk.</summary>
    /// <param name="write">Runs on the writer's thread, inside the transaction.</param>
    /// <param name="cancellationToken">Cancels the wait for a place in the queue, not what has got one.</param>
    public ValueTask<T> WriteAsync<T>(Func<WriteConnection, T> write, CancellationToken cancellationToken) =>
        WriteAsync(new WriteItemOf<T>(write), cancellationToken);

    /// <inheritdoc cref="WriteAsync{T}(Func{WriteConnection, T}, CancellationToken)"/>
    public ValueTask<T> WriteAsync<T>(WriteItem<T> item, CancellationToken cancellationToken) =>
        !cancellationToken.IsCancellationRequested && _waiting.Writer.TryWrite(item) ? item.Done : WaitAndWriteAsync(item, cancellationToken);

    /// <summary>Writes what still waits, and closes the connection.</summary>
    public void Dispose()
    {
        _waiting.Writer.TryComplete();
        _thread.Join();
        _arrived.Dispose();
    }

    private async ValueTask<T> WaitAndWriteAsync<T>(WriteItem<T> item, CancellationToken cancellationToken)
    {
        try
        {
            await _waiting.Writer.WriteAsync(item, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            throw new ObjectDisposedException(nameof(SqliteStore));
        }

        return await item.Done;
    }

    private void Run()
    {
        var batch = new List<WriteItem>(MaxBatchItems);
        while (Wait())
        {
            var bytes = 0;
            while (batch.Count < MaxBatchItems && bytes < MaxBatchBytes && _waiting.Reader.TryRead(out var item))
            {
                batch.Add(item);
                bytes += item.Bytes;
            }

            Commit(batch);
            batch.Clear();
        }

        _connection?.Dispose();
    }

    /// <summary>Waits for something to write; false when nothing comes any more. A task for each wait would be memory for each commit.</summary>
    private bool Wait()
    {
#pragma warning disable CA2012 // Used once, as an await would.
        var wait = _waiting.Reader.WaitToReadAsync().GetAwaiter();
#pragma warning restore CA2012
        if (!wait.IsCompleted)
        {
            wait.UnsafeOnCompleted(_arrive);
            _arrived.WaitOne();
        }

        return wait.GetResult();
    }

    private void Commit(List<WriteItem> batch)
    {
        try
        {
            _connection ??= _connect();
            _connection.Begin();
            foreach (var item in batch) item.Execute(_connection);
            _connection.Commit();
        }
        catch (Exception exception)
        {
            // A new connection knows nothing of what may have gone wrong in this one, and rolls back what it left.
            _connection?.Dispose();
            _connection = null;
            if (batch.Count > 1 && IsOfOneItem(exception))
            {
                foreach (var item in batch) Commit([item]);
                return;
            }

            var explained = _file.Explain(exception);
            foreach (var item in batch) item.Fail(explained);
            return;
        }

        if (_metrics.CountsBatches) _metrics.Committed(batch.Count(item => item is SqliteTransaction));
        // Waking everybody costs as much as writing a few of them: that is left to another thread.
        if (batch.Count <= FewItems) Succeed(batch);
        else ThreadPool.UnsafeQueueUserWorkItem(Succeed, batch.ToArray(), preferLocal: false);
        Checkpoint(_connection);
    }

    /// <summary>Copies the log into the file when it has grown long enough, after a commit that added to it.</summary>
    private void Checkpoint(WriteConnection connection)
    {
        var written = connection.TakeWrittenPages();
        _logPages += written;
        if (written == 0 || _logPages < _file.CheckpointPages) return;

        try
        {
            // If it could not be done, the next commit tries again.
            if (connection.TryCheckpoint(out var pages)) _logPages = pages;
        }
        catch (SqliteException)
        {
            // A sync that fails can lose whatever was written since the last good one, and SQLite syncs the file only when
            // it has copied all: not after the part that a slow reader allows. It would not copy that part again.
            connection.Dispose();
            _connection = null;
            _readers.Close(_file.ForgetCheckpoints);
        }
    }

    /// <summary>Not trouble with the file, which would meet each of them: what cannot be written must not keep the others from it.</summary>
    private static bool IsOfOneItem(Exception exception) => exception is SqliteException sqlite
        ? sqlite.SqliteErrorCode is raw.SQLITE_CONSTRAINT or raw.SQLITE_TOOBIG
        : exception is not SqliteStoreException;

    private static void Succeed(IReadOnlyList<WriteItem> batch)
    {
        foreach (var item in batch) item.Succeed();
    }
}
