using System.Collections.Concurrent;

namespace Matrix.ToDevice;

/// <summary>A few connections for reading, made when they are needed and kept.</summary>
internal sealed class SqliteReaders(SqliteFile file) : IDisposable
{
    // SQLite reads on the caller's thread: more readers than this would only keep the other requests from theirs.
    private static readonly int s_readers = Math.Clamp(Environment.ProcessorCount, 2, 16);

    private readonly Lock _closing = new();
    private readonly SemaphoreSlim _places = new(s_readers);
    private readonly ConcurrentBag<ReadConnection> _idle = [];
    private volatile bool _disposed;

    public async ValueTask<T> ReadAsync<T>(Func<ReadConnection, T> read, CancellationToken cancellationToken)
    {
        await _places.WaitAsync(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return Read(read);
        }
        finally
        {
            _places.Release();
        }
    }

    /// <summary>Waits for the reads that are going on, and closes all connections; those that come later wait until that is over.</summary>
    /// <param name="whileClosed">What is done then.</param>
    public void Close(Action whileClosed)
    {
        lock (_closing)
        {
            for (var i = 0; i < s_readers; i++) _places.Wait();
            try
            {
                while (_idle.TryTake(out var connection)) connection.Dispose();
                whileClosed();
            }
            finally
            {
                _places.Release(s_readers);
            }
        }
    }

    /// <summary>Waits for the reads that are going on; those that come later, or wait for a place, are refused.</summary>
    public void Dispose()
    {
        _disposed = true;
        Close(() => { });
    }

    private T Read<T>(Func<ReadConnection, T> read)
    {
        ReadConnection? connection = null;
        try
        {
            if (!_idle.TryTake(out connection)) connection = new ReadConnection(file.OpenForReading());
            var result = read(connection);
            _idle.Add(connection);
            return result;
        }
        catch (Exception exception)
        {
            connection?.Dispose();
            throw file.Explain(exception);
        }
    }
}
