namespace LocalHomeserver;

/// <summary>
/// Changes of keys, one after the other, each that changes something with a position of its own. A client's sync token holds the last position that
/// it has been told about.
/// </summary>
internal sealed class KeyChanges(IKeyDatabase database, TimeProvider clock) : IDisposable
{
    // They take turns anyway; waiting here keeps a connection free for what a change has to ask the accounts.
    private readonly SemaphoreSlim _oneAtATime = new(1);
    private TaskCompletionSource _next = NewSignal();

    /// <summary>Completes at the first change after this was read: on this host at once, on others see <see cref="KeyWatch"/>.</summary>
    public Task Next => Volatile.Read(ref _next).Task;

    /// <summary>
    /// Makes a change. It begins by locking the only row of the last position, which no other change on any host can do until this
    /// one is over: so they are visible in the order of their positions, and no two of them give away the same key.
    /// </summary>
    /// <remarks>
    /// So what a change finds in the accounts holds for keys until it is over: a device that ends meanwhile has its keys removed by
    /// a change behind this one, and a device that begins meanwhile has none before that either.
    /// </remarks>
    public async ValueTask<T> MakeAsync<T>(Func<KeyChange, Task<T>> make, CancellationToken cancellationToken)
    {
        await _oneAtATime.WaitAsync(cancellationToken);
        try
        {
            var (result, isNews) = await database.InOneStepAsync(statements => MakeAsync(statements, make), cancellationToken);
            if (isNews) Signal();
            return result;
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    public ValueTask<T> ReadAsync<T>(Func<KeyStatements, Task<T>> work, CancellationToken cancellationToken) =>
        database.ReadAsync(work, cancellationToken);

    /// <summary>The position of the last change.</summary>
    public ValueTask<long> PositionAsync(CancellationToken cancellationToken) => ReadAsync(PositionAsync, cancellationToken);

    public static async Task<long> PositionAsync(KeyStatements statements) =>
        (await statements.QueryAsync("SELECT position FROM local_homeserver.key_position", row => row.Number(0))).Single();

    /// <summary>Something has changed: whoever waits looks what it is.</summary>
    public void Signal() => Interlocked.Exchange(ref _next, NewSignal()).SetResult();

    public void Dispose() => _oneAtATime.Dispose();

    private async Task<(T Result, bool IsNews)> MakeAsync<T>(KeyStatements statements, Func<KeyChange, Task<T>> make)
    {
        // Written as it is: that locks it in PostgreSQL and in SQLite.
        var last = await statements.QueryAsync(
            "UPDATE local_homeserver.key_position SET position = position RETURNING position", row => row.Number(0));

        // Positions follow the clock: a database that has lost its last changes gives none of them out a second time.
        var change = new KeyChange(statements, Math.Max(last.Single() + 1, clock.GetUtcNow().ToUnixTimeMilliseconds()));
        var result = await make(change);
        if (change.IsNews) await statements.ExecuteAsync("UPDATE local_homeserver.key_position SET position = $1", change.TakePosition());
        return (result, change.IsNews);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
