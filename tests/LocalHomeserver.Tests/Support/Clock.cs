namespace LocalHomeserver.Tests;

/// <summary>A clock that can be put forward. Timers run as ever.</summary>
internal sealed class Clock : TimeProvider
{
    private TimeSpan _ahead;

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + _ahead;

    public void PutForward(TimeSpan time) => _ahead += time;
}
