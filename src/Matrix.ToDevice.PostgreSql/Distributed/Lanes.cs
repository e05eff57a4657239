using System.Collections.Concurrent;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>
/// Makes calls of one kind to each lane one at a time: what comes for its buckets while one is under way gathers, and goes together in the
/// next one, which is one commit. Nobody waits for others to come.
/// </summary>
/// <param name="machines">Knows which buckets are in one lane.</param>
/// <param name="availability">What goes to a bucket that cannot be had does not go with others.</param>
/// <param name="share">Where these calls have their places.</param>
/// <param name="call">The call, for items of one lane, and for how long it waits for a device that somebody has.</param>
/// <param name="devices">The devices that an item waits for when somebody has them.</param>
/// <param name="size">How large an item is: its bytes, and a KB for each row.</param>
/// <param name="patience">For how long an item may wait for its devices.</param>
internal sealed class Lanes<T, TResult>(
    Machines machines, Availability availability, Share share, Func<IReadOnlyList<T>, TimeSpan, CancellationToken, ValueTask<IReadOnlyList<TResult>>> call,
    Func<T, IEnumerable<DeviceAddress>> devices, Func<T, long> size, TimeSpan patience) : IAsyncDisposable
{
    private const int Most = 64, MostAlone = 2;
    private const long MostSize = 2 << 20;

    // Others wait behind it.
    private static readonly TimeSpan s_lockWait = TimeSpan.FromMilliseconds(250);

    private readonly ConcurrentDictionary<int, Lane> _lanes = new();

    // However many go by themselves, they leave others their places; and those that have a device to wait for leave theirs to those that have not.
    private readonly Share _alone = new(MostAlone, MostAlone), _waiting = new(1, 1);

    // How many go by themselves, of each device.
    private readonly Dictionary<DeviceAddress, int> _devicesAlone = [];

    /// <summary>Completes when it is done, or cannot be.</summary>
    /// <param name="bucket">Where it belongs.</param>
    /// <param name="item">What it is.</param>
    public Task<TResult> RunAsync(int bucket, T item)
    {
        var one = new Waiting(bucket, item);
        // What is for a bucket that cannot be had, or for a device that somebody has, would hold up the others.
        if (IsAlone(item) || availability.IsDown(bucket))
        {
            _ = AloneAsync(one);
            return one.End.Task;
        }

        var lane = _lanes.GetOrAdd(machines.LaneOf(bucket), _ => new Lane());
        lock (lane)
        {
            lane.Waiting.Enqueue(one);
            if (lane.IsMoving) return one.End.Task;
            lane.IsMoving = true;
        }

        _ = MoveAsync(lane);
        return one.End.Task;
    }

    /// <summary>Carries through what is under way. What has not begun does not.</summary>
    public async ValueTask DisposeAsync()
    {
        await _alone.DisposeAsync();
        await _waiting.DisposeAsync();
    }

    private async Task MoveAsync(Lane lane)
    {
        while (NextOf(lane) is { } bucket)
        {
            List<Waiting> together = [];
            try
            {
                // What comes while it waits for a place goes with it.
                var results = await availability.CallAsync(
                    share, bucket,
                    ending => call((together = Take(lane)).ConvertAll(one => one.Item), s_lockWait, ending),
                    CancellationToken.None);
                foreach (var (one, result) in together.Zip(results)) one.End.SetResult(result);
            }
            catch
            {
                // One that the database refuses, or whose device somebody has for long, has the others refused with it. Then each goes by
                // itself, and the lane goes on.
                if (together.Count == 0) together = Take(lane);
                foreach (var one in together) _ = AloneAsync(one);
            }
        }
    }

    private List<Waiting> Take(Lane lane)
    {
        var together = new List<Waiting>();
        lock (lane)
        {
            for (var sum = 0L; together.Count < Most && lane.Waiting.TryPeek(out var one) && ((sum += size(one.Item)) <= MostSize || together.Count == 0);)
                together.Add(lane.Waiting.Dequeue());
        }

        return together;
    }

    /// <summary>Where the next call goes.</summary>
    private static int? NextOf(Lane lane)
    {
        lock (lane)
        {
            if (lane.Waiting.TryPeek(out var one)) return one.Bucket;
            lane.IsMoving = false;
            return null;
        }
    }

    private async Task AloneAsync(Waiting one)
    {
        Count(one.Item, 1);
        try
        {
            try
            {
                // Nobody waits for a bucket that cannot be had: one of those who come tries, now and then.
                one.End.SetResult(availability.IsDown(one.Bucket) ? await TryAsync(one, s_lockWait)
                    : await InTurnAsync(one, _alone, Timeout.InfiniteTimeSpan, s_lockWait));
            }
            catch (PostgreSqlStoreException exception) when (exception.InnerException is PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable })
            {
                one.End.SetResult(await InTurnAsync(one, _waiting, patience, patience));
            }
        }
        catch (Exception exception)
        {
            one.End.SetException(exception);
        }
        finally
        {
            Count(one.Item, -1);
        }
    }

    private async Task<TResult> InTurnAsync(Waiting one, Share places, TimeSpan placeWait, TimeSpan lockWait)
    {
        using var ending = new CancellationTokenSource(placeWait);
        try
        {
            return await places.RunAsync(_ => TryAsync(one, lockWait), ending.Token);
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            throw new PostgreSqlStoreException("Somebody has a device for long, and others wait for it. It may be tried again.");
        }
    }

    private async ValueTask<TResult> TryAsync(Waiting one, TimeSpan lockWait) =>
        (await availability.TryAsync(share, one.Bucket, ending => call([one.Item], lockWait, ending), CancellationToken.None))[0];

    private bool IsAlone(T item)
    {
        lock (_devicesAlone) return _devicesAlone.Count > 0 && devices(item).Any(_devicesAlone.ContainsKey);
    }

    private void Count(T item, int change)
    {
        lock (_devicesAlone)
        {
            foreach (var device in devices(item))
                if ((_devicesAlone[device] = _devicesAlone.GetValueOrDefault(device) + change) == 0) _devicesAlone.Remove(device);
        }
    }

    private sealed record Waiting(int Bucket, T Item)
    {
        public TaskCompletionSource<TResult> End { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Lane
    {
        public Queue<Waiting> Waiting { get; } = new();

        public bool IsMoving { get; set; }
    }
}
