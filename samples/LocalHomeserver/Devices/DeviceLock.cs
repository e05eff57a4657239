using Npgsql;

namespace LocalHomeserver;

/// <summary>The right to begin and end devices of one user, until it is disposed.</summary>
internal sealed class DeviceLock : IAsyncDisposable
{
    private readonly NpgsqlConnection? _connection;
    private readonly CancellationTokenSource _lost = new(), _over = new();
    private readonly Task _watching;

    /// <param name="connection">
    /// Holds the lock with an open transaction, and is disposed with this. None where one process is the whole server.
    /// </param>
    public DeviceLock(NpgsqlConnection? connection = null)
    {
        _connection = connection;
        _watching = connection is null ? Task.CompletedTask : WatchAsync(connection);
    }

    /// <summary>
    /// Cancelled when the connection ends, and the lock with it: another host may have the right by now, and what is not done
    /// must not be done any more.
    /// </summary>
    public CancellationToken Lost => _lost.Token;

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _watching;
        if (_connection is not null) await _connection.DisposeAsync();
        _over.Dispose();
        _lost.Dispose();
    }

    private async Task WatchAsync(NpgsqlConnection connection)
    {
        try
        {
            while (true) await connection.WaitAsync(_over.Token);
        }
        catch (Exception)
        {
            if (!_over.IsCancellationRequested) await _lost.CancelAsync();
        }
    }
}
