using Microsoft.Extensions.Logging;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>
/// Which machine has a bucket, and which machines hang. A machine that is in use is asked for a commit now and then, which takes
/// milliseconds: one that does not answer for seconds hangs, however few have called it, and one that is only busy with something long does not.
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
        SELECT b, n.groupid, n.nodename || ':' || n.nodeport FROM generate_series(0, $2 - 1) b
        JOIN pg_dist_placement p ON p.shardid = get_shard_id_for_distribution_column($1::regclass, b)
        JOIN pg_dist_node n ON n.groupid = p.groupid AND n.noderole = 'primary'
        """;

    private const int TurnsOfMap = 30;
    private static readonly TimeSpan s_turn = TimeSpan.FromSeconds(2), s_patience = TimeSpan.FromSeconds(5);

    private readonly PostgreSqlDatabase _database;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly string _table, _ask;
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<(int Group, string Name), Machine> _machines = [];
    private readonly Dictionary<Machine, Task> _asked = [];
    private volatile Machine?[] _ofBuckets = new Machine?[Buckets.Count];
    private Task _loop = Task.CompletedTask;

    public Machines(PostgreSqlDatabase database, PostgreSqlStoreOptions options, TimeProvider time, ILogger logger)
    {
        (_database, _time, _logger) = (database, time, logger);
        _table = $"{PostgreSqlSchema.Quote(options.Schema)}.to_device_device";
        // It writes: a disk that stalls is found out by nothing else.
        _ask = Statement.Call(options, "to_device_take_task", 3);
    }

    /// <summary>Those that do not answer.</summary>
    public IEnumerable<string> Hanging => _ofBuckets.OfType<Machine>().Distinct().Where(machine => machine.IsHanging).Select(machine => machine.Name);

    public bool AreSeveral => _ofBuckets[0] is not null;

    /// <summary>The machine that has a bucket. Null when all are on one: there is nobody to be kept from the others.</summary>
    public Machine? Of(int bucket) => _ofBuckets[bucket];

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
                    row => (Bucket: row.GetInt32(0), Machine: (row.GetInt32(1), row.GetString(2))), cancellationToken)
                : [];
            var ofBuckets = new Machine?[Buckets.Count];
            if (found.Select(one => one.Machine).Distinct().Count() > 1)
                foreach (var (bucket, machine) in found) ofBuckets[bucket] = OfName(machine);
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
                    // One call at a time: a coordinator may have to keep each of them until the machine is back.
                    if (_asked.GetValueOrDefault(machine) is { IsCompleted: false }) continue;
                    if (machine.IsUsed() || machine.IsHanging) _asked[machine] = AskAsync(machine, Array.IndexOf(ofBuckets, machine));
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            await Task.WhenAll(_asked.Values);
        }
    }

    private async Task AskAsync(Machine machine, int bucket)
    {
        try
        {
            await _database.RunAsync(
                async (connection, cancellation) =>
                {
                    // What was before is the wait for a connection, which says nothing.
                    using var patience = _time.CreateTimer(_ => Hangs(null), null, s_patience, Timeout.InfiniteTimeSpan);
                    await using var command = new NpgsqlCommand(_ask, connection)
                    {
                        Parameters = { Statement.Of(bucket), Statement.Of("watch"), Statement.Of(TimeSpan.Zero) },
                    };
                    return await command.ExecuteScalarAsync(cancellation);
                }, _stop.Token);
            Answers();
        }
        catch (PostgreSqlStoreException exception) when (exception.InnerException is PostgresException { SqlState: not (['0', '8', ..] or ['5', '7', ..]) })
        {
            // One whose disk is full refuses, and can be read.
            Answers();
        }
        catch (PostgreSqlStoreException exception)
        {
            if (Availability.CannotBeHad(exception)) Hangs(exception);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // It is over.
        }

        void Answers()
        {
            if (machine.IsHanging) Log.Answers(_logger, machine.Name);
            machine.Answers();
        }

        void Hangs(Exception? exception)
        {
            if (!machine.IsHanging) Log.Hangs(_logger, machine.Name, exception);
            machine.Hangs();
        }
    }
}
