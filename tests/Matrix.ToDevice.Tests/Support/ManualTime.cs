namespace Matrix.ToDevice.Tests;

/// <summary>A clock that stands still until a test moves it, and all timers with it.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<Timer> _timers = [];
    private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Whether anything waits for a time.</summary>
    public bool HasTimers
    {
        get
        {
            lock (_lock) return _timers.Count > 0;
        }
    }

    /// <summary>Whether something waits for so long from now, to the second.</summary>
    public bool HasTimerIn(TimeSpan time)
    {
        lock (_lock) return _timers.Any(timer => Math.Abs((timer.Due - _now - time).TotalSeconds) < 1);
    }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow()
    {
        lock (_lock) return _now;
    }

    public override long GetTimestamp() => GetUtcNow().UtcTicks;

    /// <summary>Moves the clock on. Timers that are due run one after the other, each at its own time.</summary>
    public void Advance(TimeSpan by)
    {
        var until = GetUtcNow() + by;
        while (NextDue(until) is { } timer) timer.Run();
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>The next timer that is due; without one, the clock is where it was moved to.</summary>
    private Timer? NextDue(DateTimeOffset until)
    {
        lock (_lock)
        {
            var next = _timers.Where(timer => timer.Due <= until).MinBy(timer => timer.Due);
            _now = next is null ? until : next.Due > _now ? next.Due : _now;
            if (next?.Period is { } period && period > TimeSpan.Zero) next.Due += period;
            else if (next is not null) _timers.Remove(next);
            return next;
        }
    }

    private sealed class Timer(ManualTime time, Action run) : ITimer
    {
        public DateTimeOffset Due { get; set; }

        public TimeSpan Period { get; private set; }

        public void Run() => run();

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._lock)
            {
                time._timers.Remove(this);
                if (dueTime == Timeout.InfiniteTimeSpan) return true;
                (Due, Period) = (time._now + dueTime, period);
                time._timers.Add(this);
                return true;
            }
        }

        public void Dispose() => Change(Timeout.InfiniteTimeSpan, default);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
