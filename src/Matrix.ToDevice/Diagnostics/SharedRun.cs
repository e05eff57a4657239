namespace Matrix.ToDevice;

/// <summary>
/// Runs something once at a time, however many ask, and however long it takes: who comes meanwhile gets what it finds. It goes on by itself:
/// whoever has asked first may go, and the store may not look at its token.
/// </summary>
internal sealed class SharedRun<T>
{
    private readonly Lock _lock = new();
    private Task<T>? _running;

    public Task<T> JoinOrStart(Func<Task<T>> run)
    {
        lock (_lock)
        {
            if (_running is not { IsCompleted: false }) _running = Task.Run(run, CancellationToken.None);
            return _running;
        }
    }
}
