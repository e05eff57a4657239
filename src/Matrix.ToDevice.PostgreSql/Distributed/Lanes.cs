namespace Matrix.ToDevice;

/// <summary>
/// Delivers into each bucket one call at a time: what comes while one is under way gathers, and goes together in the next one, which is one
/// commit. Nobody waits for others to come, nor for long for a device that somebody else of the bucket sends to.
/// </summary>
internal sealed class Lanes(Delivery delivery)
{
    private const int Most = 64;
    private const long MostBytes = 4 << 20;

    // Others of the bucket wait behind it.
    private static readonly TimeSpan s_lockWait = TimeSpan.FromMilliseconds(250);

    private readonly Lane[] _lanes = [.. Enumerable.Range(0, Buckets.Count).Select(_ => new Lane())];

    /// <summary>Completes when it is delivered, or cannot be.</summary>
    public Task DeliverAsync(Share share, Load load)
    {
        var lane = _lanes[load.Intent.Source.Target];
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (lane)
        {
            lane.Waiting.Enqueue((load, end));
            if (lane.IsMoving) return end.Task;
            lane.IsMoving = true;
        }

        _ = MoveAsync(share, lane);
        return end.Task;
    }

    private async Task MoveAsync(Share share, Lane lane)
    {
        while (Take(lane) is { Count: > 0 } together)
        {
            try
            {
                await delivery.DeliverAsync(share, together.ConvertAll(one => one.Load), s_lockWait, CancellationToken.None);
                foreach (var (_, end) in together) end.SetResult();
            }
            catch
            {
                // One that the database refuses, or whose device somebody has for long, has the others refused with it. Then each goes by
                // itself, and the lane goes on.
                foreach (var (load, end) in together) _ = AloneAsync(share, load, end);
            }
        }
    }

    private static List<(Load Load, TaskCompletionSource End)> Take(Lane lane)
    {
        var together = new List<(Load, TaskCompletionSource)>();
        lock (lane)
        {
            for (var bytes = 0L; together.Count < Most && bytes < MostBytes && lane.Waiting.TryDequeue(out var one); bytes += one.Load.Portion.Bytes) together.Add(one);
            lane.IsMoving = together.Count > 0;
            return together;
        }
    }

    private async Task AloneAsync(Share share, Load load, TaskCompletionSource end)
    {
        try
        {
            await delivery.DeliverAsync(share, [load], CancellationToken.None);
            end.SetResult();
        }
        catch (Exception exception)
        {
            end.SetException(exception);
        }
    }

    private sealed class Lane
    {
        public Queue<(Load Load, TaskCompletionSource End)> Waiting { get; } = new();

        public bool IsMoving { get; set; }
    }
}
