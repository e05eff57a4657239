namespace Matrix.ToDevice.Tests;

/// <summary>The real clock; tells when something begins to wait for a time.</summary>
internal sealed class WatchedTime : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly Dictionary<TimeSpan, TaskCompletionSource> _expected = [];

    /// <summary>Completes when the next timer for this time is made.</summary>
    public Task NextTimerAsync(TimeSpan dueTime)
    {
        var made = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock) _expected.Add(dueTime, made);
        return made.Task.WaitAsync(TimeLimit.OfOneWait);
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        lock (_lock)
        {
            if (_expected.Remove(dueTime, out var made)) made.SetResult();
        }

        return base.CreateTimer(callback, state, dueTime, period);
    }
}
