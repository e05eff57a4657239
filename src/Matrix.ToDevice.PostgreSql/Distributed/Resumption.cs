using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>
/// Goes on with what was accepted and not delivered: what could not be delivered here, soon; and what another host has left, found by going
/// from bucket to bucket. Also forgets what is delivered, behind the answer to its client.
/// </summary>
internal sealed class Resumption : IAsyncDisposable
{
    // Once around the buckets in a minute. What another host is just about is left to it.
    private const int MostRemembered = 10_000, MostFound = 1000, AtOnce = 8, MostForgotten = 256;
    private static readonly TimeSpan s_turn = TimeSpan.FromSeconds(60.0 / Buckets.Count), s_retry = TimeSpan.FromSeconds(1), s_age = TimeSpan.FromSeconds(5);

    /// <summary>For each of the options' writers, so many connections are used to go on with what was accepted.</summary>
    public const int PlacesOfWriter = 2;

    private readonly PostgreSqlDatabase _database;
    private readonly Delivery _delivery;
    private readonly Machines _machines;
    private readonly Availability _availability;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Turns<Source> _turns;
    private readonly string _waiting;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Source, long> _delivered = new();
    private readonly ConcurrentDictionary<Source, bool> _later = new();
    private readonly Share _share;
    private readonly SemaphoreSlim _wake = new(0);
    private Task _loops = Task.CompletedTask;

    public Resumption(
        PostgreSqlDatabase database, PostgreSqlStoreOptions options, Delivery delivery, Machines machines, Availability availability, TimeProvider time,
        ILogger logger)
    {
        (_database, _delivery, _machines, _availability, _time, _logger) = (database, delivery, machines, availability, time, logger);
        _turns = new Turns<Source>(ResumeAsync);
        _waiting = $"""
            SELECT user_id, device_id, target FROM (
                SELECT user_id, device_id, target FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_intent
                WHERE bucket = $1 AND accepted_at <= now() - $2 AND target <> ALL ($4) ORDER BY accepted_at LIMIT $3) oldest
            GROUP BY user_id, device_id, target
            """;
        _share = Share.Of(options.Writers * PlacesOfWriter);
    }

    /// <summary>Begins, first with what was left behind.</summary>
    public void Start() => _loops = Task.WhenAll(Task.Run(ForgetAsync), Task.Run(RetryAsync), Task.Run(SearchAsync));

    /// <summary>Up to which number the intents of a source are known to be delivered, though they are perhaps still there.</summary>
    public long DeliveredUpTo(Source source) => _delivered.GetValueOrDefault(source);

    /// <summary>An intent, and all before it, are delivered.</summary>
    public void Delivered(Source source, long number)
    {
        _delivered.AddOrUpdate(source, number, (_, before) => Math.Max(before, number));
        _wake.Release();
    }

    /// <summary>Delivers all intents of a source; when that fails, later.</summary>
    public Task TryAsync(Source source) => _turns.RunAsync(source);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loops;
        _stop.Dispose();
    }

    private async Task ResumeAsync(Source source)
    {
        try
        {
            await _delivery.ResumeAsync(_share, source, _stop.Token);
            _later.TryRemove(source, out _);
        }
        catch (Exception exception)
        {
            // Whatever it is: the others go on, and so does the send that was accepted.
            Later(source, exception);
        }
    }

    /// <summary>It could not be delivered now.</summary>
    public void Later(Source source, Exception exception)
    {
        // Once, and not for each time that it is tried. More than are remembered are found again.
        if (_later.Count < MostRemembered && _later.TryAdd(source, true)) Log.DeliveredLater(_logger, source.Target, exception);
    }

    private Task ForgetAsync() => RunAsync(async () =>
    {
        await _wake.WaitAsync(_stop.Token);
        await Task.WhenAll(_delivered.Take(MostForgotten).ToList().GroupBy(one => _machines.LaneOf(one.Key.Bucket)).Select(async together =>
        {
            List<KeyValuePair<Source, long>> upTo = [.. together];
            try
            {
                await _delivery.DoneAsync(_share, upTo, _stop.Token);
            }
            catch (PostgreSqlStoreException)
            {
                // They are tried once more, by whoever finds them, and found to be delivered.
            }

            foreach (var one in upTo) _delivered.TryRemove(one);
        }));
    });

    private Task RetryAsync() => RunAsync(async () =>
    {
        await Task.Delay(s_retry, _time, _stop.Token);
        await TryAllAsync([.. _later.Keys]);
    });

    private async Task SearchAsync()
    {
        var turn = 0;
        await RunAsync(async () =>
        {
            // What waits at the start was left behind by a crash, or somebody else is about it: then both find that out.
            var isFirstRound = turn < Buckets.Count;
            var (bucket, age) = (turn++ % Buckets.Count, isFirstRound ? TimeSpan.Zero : s_age);
            if (!isFirstRound) await Task.Delay(s_turn, _time, _stop.Token);
            if (_availability.WhyNot(bucket) is not null) return;
            await TryAllAsync(await _availability.TryAsync(_share, bucket, ending => _database.ListAsync(
                _waiting,
                () => [Statement.Of(bucket), Statement.Of(age), Statement.Of((long)MostFound), Statement.Of(_availability.Down.ToArray())],
                row => new Source(new DeviceAddress(row.GetString(0), row.GetString(1)), row.GetInt32(2)),
                ending), _stop.Token));
        });
    }

    // However much one has, the others do not wait for it.
    private Task TryAllAsync(IReadOnlyList<Source> sources) => Parallel.ForEachAsync(
        sources, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = _stop.Token }, async (source, _) => await TryAsync(source));

    /// <summary>Goes on until it is stopped, whatever happens.</summary>
    private async Task RunAsync(Func<Task> step)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await step();
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                Log.ResumedLater(_logger, exception);
                await Task.Delay(s_retry, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }
}
