namespace LocalHomeserver;

/// <summary>The wish that this server stops and starts again. <see cref="Program.RunAsync"/> grants it.</summary>
internal sealed class Restart(IHostApplicationLifetime server, TimeProvider clock)
{
    private volatile bool _requested;

    public bool IsRequested => _requested;

    public long StartedTs { get; } = clock.GetUtcNow().ToUnixTimeMilliseconds();

    public Task RequestAsync()
    {
        _requested = true;
        server.StopApplication();
        return Task.CompletedTask;
    }
}
