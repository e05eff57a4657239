namespace Matrix.ToDevice.Tests;

/// <summary>The real clock, but timers wait until a test lets time pass, and are so many times as fast then.</summary>
internal sealed class DistributedTime(int times = 1) : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<(ITimer Timer, TimeSpan DueTime)> _held = [];
    private bool _passes;

    public void Passes()
    {
        lock (_lock)
        {
            _passes = true;
            foreach (var (timer, dueTime) in _held) timer.Change(dueTime / times, Timeout.InfiniteTimeSpan);
            _held.Clear();
        }
    }

    public void Stops()
    {
        lock (_lock) _passes = false;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        lock (_lock)
        {
            if (dueTime == Timeout.InfiniteTimeSpan) return base.CreateTimer(callback, state, dueTime, period);
            if (_passes) return base.CreateTimer(callback, state, dueTime / times, period);
            var timer = base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, period);
            _held.Add((timer, dueTime));
            return timer;
        }
    }
}
