using Microsoft.Extensions.Logging;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>
/// Which machine has a bucket, and which machines hang. A machine that is in use is asked for a commit now and then, which takes
/// milliseconds: one that does not answer for seconds hangs, however few have called it, and one that is only busy with something long does not.
/// Two of its shards are asked: one that is just moved may take no commits for long.
/// </summary>
/// <remarks>
/// Where buckets are may be known too late, after some were moved. Then a call counts for another machine than the one it goes to:
/// that is unfair while one of them hangs, and never wrong, because the coordinator finds the bucket by itself.
/// </remarks>
internal sealed class Machines : IAsyncDisposable
{
    // To the coordinator, where the cluster's catalogue is.
    private const string IsCluster = "SELECT to_regclass('pg_dist_node') IS NOT NULL";
    private const string Map = """
        SELECT b, n.groupid, n.nodename || ':' || n.nodeport, p.shardid FROM generate_series(0, $2 - 1) b
        JOIN pg_dist_placement p ON p.shardid = get_shard_id_for_distribution_column($1::regclass, b)
        JOIN pg_dist_node n ON n.groupid = p.groupid AND n.noderole = 'primary'
        ORDER BY n.groupid, p.shardid, b
        """;

    private const int TurnsOfMap = 5, AskedShards = 2, LongestSeconds = 30;
    private static readonly TimeSpan s_turn = TimeSpan.FromSeconds(2), s_patience = TimeSpan.FromSeconds(5);

    private readonly PostgreSqlDatabase _database;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly string _table, _ask;
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<(int Group, string Name), Machine> _machines = [];
    private readonly List<Task> _asked = [];
    private volatile Machine?[] _ofBuckets = new Machine?[Buckets.Count];
    private int[] _ofShards = [];
    private readonly int _writers;
    private volatile int[] _lanes;
    private Task _loop = Task.CompletedTask;

    public Machines(PostgreSqlDatabase database, PostgreSqlStoreOptions options, TimeProvider time, ILogger logger)
    {
        (_database, _time, _logger) = (database, time, logger);
        _writers = options.Writers;
        _lanes = [.. Enumerable.Range(0, Buckets.Count).Select(bucket => bucket % options.Writers)];
        _table = $"{PostgreSqlSchema.Quote(options.Schema)}.to_device_device";
        // It writes: a disk that stalls is found out by nothing else.
        _ask = Statement.Call(options, "to_device_take_task", 3);
    }

    /// <summary>Those that do not answer.</summary>
    public IEnumerable<string> Hanging => _ofBuckets.OfType<Machine>().Distinct().Where(machine => machine.IsHanging).Select(machine => machine.Name);

    public bool AreSeveral => _ofBuckets[0] is not null;

    /// <summary>The machine that has a bucket. Null when all are on one: there is nobody to be kept from the others.</summary>
    public Machine? Of(int bucket) => _ofBuckets[bucket];

    /// <summary>Which calls a bucket's calls may go together with: those to the same machine, and there some of its shards.</summary>
    public int LaneOf(int bucket) => _lanes[bucket];

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await LearnAsync(cancellationToken);
        _loop = WatchAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
        foreach (var machine in _machines.Values) machine.Dispose();
    }

    private async Task LearnAsync(CancellationToken cancellationToken)
    {
        try
        {
            var found = await _database.ListAsync(IsCluster, () => [], row => row.GetBoolean(0), cancellationToken) is [true]
                ? await _database.ListAsync(
                    Map, () => [new NpgsqlParameter<string> { TypedValue = _table, DataTypeName = "text" }, Statement.Of(Buckets.Count)],
                    row => (Bucket: row.GetInt32(0), Machine: (row.GetInt32(1), row.GetString(2)), Shard: row.GetInt64(3)), cancellationToken)
                : [];
            var ofBuckets = new Machine?[Buckets.Count];
            if (found.Select(one => one.Machine).Distinct().Count() > 1)
                foreach (var (bucket, machine, _) in found) ofBuckets[bucket] = OfName(machine);
            var shards = found.DistinctBy(one => one.Shard).ToList();
            _ofShards = [.. shards.Select(one => one.Bucket)];
            // A machine is written to by as many at once as the one of the other layout. One of its shards that is just moved holds up those with it.
            var lanes = shards.GroupBy(one => one.Machine).Index().SelectMany(machine => machine.Item.Select((one, i) => (one.Shard, Lane: (machine.Index * _writers) + (i % _writers))))
                .ToDictionary(one => one.Shard, one => one.Lane);
            if (found.Count == Buckets.Count) _lanes = [.. found.OrderBy(one => one.Bucket).Select(one => lanes[one.Shard])];
            _ofBuckets = ofBuckets;
        }
        catch (PostgreSqlStoreException exception)
        {
            // As before, then.
            Log.MachinesUnknown(_logger, exception);
        }

        Machine OfName((int, string Name) machine) => _machines.TryGetValue(machine, out var known) ? known : _machines[machine] = new Machine(machine.Name);
    }

    private async Task WatchAsync()
    {
        try
        {
            for (var turn = 1; ; turn++)
            {
                await Task.Delay(s_turn, _time, _stop.Token);
                if (turn % TurnsOfMap == 0) await LearnAsync(_stop.Token);
                var ofBuckets = _ofBuckets;
                foreach (var machine in ofBuckets.OfType<Machine>().Distinct())
                {
                    // Once at a time: a coordinator may have to keep each question until the machine is back.
                    if (machine.IsAsked || !(machine.IsUsed() || machine.IsHanging)) continue;
                    machine.IsAsked = true;
                    var shards = _ofShards.Where(bucket => ofBuckets[bucket] == machine).ToArray();
                    Random.Shared.Shuffle(shards);
                    _asked.RemoveAll(asked => asked.IsCompleted);
                    _asked.Add(AskAsync(machine, shards[..Math.Min(shards.Length, AskedShards)]));
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            await Task.WhenAll(_asked);
        }
    }

    private async Task AskAsync(Machine machine, int[] buckets)
    {
        var silent = 0;
        var questions = Array.ConvertAll(buckets, bucket => AskAsync(bucket, NoAnswer)).ToList();
        while (questions.Count > 0)
        {
            var ended = await Task.WhenAny(questions);
            questions.Remove(ended);
            if (!await ended) continue;
            // The others may take as long as they like.
            if (machine.IsHanging) Log.Answers(_logger, machine.Name);
            machine.Answers();
            machine.IsAsked = false;
        }

        machine.IsAsked = false;

        void NoAnswer(Exception? exception)
        {
            if (Interlocked.Increment(ref silent) < buckets.Length || machine.IsHanging) return;
            Log.Hangs(_logger, machine.Name, exception);
            machine.Hangs();
        }
    }

    /// <summary>Whether it answers.</summary>
    private async Task<bool> AskAsync(int bucket, Action<Exception?> noAnswer)
    {
        var isTold = 0;
        try
        {
            return await _database.RunAsync(
                async (connection, cancellation) =>
                {
                    // What was before is the wait for a connection, which says nothing.
                    using var patience = _time.CreateTimer(_ => Tell(null), null, s_patience, Timeout.InfiniteTimeSpan);
                    await using var command = new NpgsqlCommand(_ask, connection)
                    {
                        Parameters = { Statement.Of(bucket), Statement.Of("watch"), Statement.Of(TimeSpan.Zero) },
                        CommandTimeout = LongestSeconds,
                    };
                    await command.ExecuteNonQueryAsync(cancellation);
                    return true;
                }, _stop.Token);
        }
        catch (PostgreSqlStoreException exception) when (exception.InnerException is PostgresException { SqlState: not (['0', '8', ..] or ['5', '7', ..]) })
        {
            // One whose disk is full refuses, and can be read.
            return true;
        }
        catch (PostgreSqlStoreException exception)
        {
            if (Availability.CannotBeHad(exception)) Tell(exception);
            return false;
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            return false;
        }

        void Tell(Exception? exception)
        {
            if (Interlocked.Exchange(ref isTold, 1) == 0) noAnswer(exception);
        }
    }
}
