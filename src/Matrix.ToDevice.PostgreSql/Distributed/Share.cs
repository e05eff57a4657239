namespace Matrix.ToDevice;

/// <summary>The calls for one purpose: so many are under way at once, and so many of them to one machine. One that hangs leaves the others theirs.</summary>
internal sealed class Share(int most, int ofOneMachine) : IAsyncDisposable
{
    private readonly SemaphoreSlim _places = new(most);
    private readonly CancellationTokenSource _closing = new();

    public int OfOneMachine => ofOneMachine;

    /// <summary>Half of them may be to one machine.</summary>
    public static Share Of(int most) => new(most, Math.Max(most / 2, 1));

    /// <summary>However many, which wait for a connection; but half of these connections at most are to one machine.</summary>
    public static Share OfConnections(int connections) => new(int.MaxValue, Math.Max(connections / 2, 1));

    /// <summary>Waits here, and not for a connection, so that those who call for another purpose find one.</summary>
    public async ValueTask<T> RunAsync<T>(Func<CancellationToken, ValueTask<T>> work, CancellationToken cancellationToken)
    {
        using (var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closing.Token))
        {
            try
            {
                await _places.WaitAsync(either.Token);
            }
            catch (OperationCanceledException) when (_closing.IsCancellationRequested)
            {
                throw new ObjectDisposedException(nameof(PostgreSqlStore));
            }
        }

        try
        {
            return await work(cancellationToken);
        }
        finally
        {
            _places.Release();
        }
    }

    /// <summary>Carries through what is under way. What has not begun does not.</summary>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        for (var place = 0; place < most; place++) await _places.WaitAsync();
    }
}
