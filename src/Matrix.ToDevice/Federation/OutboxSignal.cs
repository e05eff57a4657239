namespace Matrix.ToDevice;

/// <summary>Wakes the sender of this host when the outbox has something for it. A hint: the sender also looks by itself.</summary>
internal sealed class OutboxSignal
{
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Func<string, bool>? _needsWakeUp;

    /// <summary>EDUs were committed. Destinations that are being sent to need no wake-up: who sends looks again at the end.</summary>
    public void Committed(IReadOnlyList<OutboundEdu> edus)
    {
        if (edus.Count == 0 || Volatile.Read(ref _needsWakeUp) is not { } needsWakeUp) return;
        var wakes = false;
        for (var i = 0; i < edus.Count; i++) wakes |= needsWakeUp(edus[i].Destination);
        if (wakes) Wake();
    }

    public void Wake() => Volatile.Read(ref _next).TrySetResult();

    /// <summary>Waits for a wake-up, or for so long. One caller, who looks at the outbox after it.</summary>
    public async Task WaitAsync(TimeSpan atMost, TimeProvider time, CancellationToken cancellationToken)
    {
        var next = _next;
        await next.Task.WaitAsync(atMost, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (next.Task.IsCompleted) Volatile.Write(ref _next, new(TaskCreationOptions.RunContinuationsAsynchronously));
    }

    /// <summary>There is a sender. It is asked for each destination that gets something, and knows whom it sends to already.</summary>
    public void Serve(Func<string, bool> needsWakeUp) => Volatile.Write(ref _needsWakeUp, needsWakeUp);
}
