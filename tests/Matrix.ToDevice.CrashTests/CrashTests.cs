using System.Globalization;

namespace Matrix.ToDevice.Tests;

/// <summary>The long form: <c>CRASH_KILLS=100 TEST_MINUTES=60 dotnet test tests/Matrix.ToDevice.CrashTests --logger "console;verbosity=detailed"</c>.</summary>
[Category("Slow")]
public class CrashTests
{
    private PostgreSqlCluster? _cluster;

    private const string OneMachine = "The layout for many machines on one, 2 hosts, the database stopped at once",
        HostKilled = "Citus, 2 hosts, one of them killed", DistributedLater = "Citus, 2 hosts, stopped while the tables are spread over the machines",
        ShardsMoved = "Citus, 2 hosts, all shards moved from a worker or back", WorkerKilled = "Citus, 2 hosts, a worker killed";

    private static IEnumerable<string> ManyMachines =>
        CitusCluster.Find() is null ? [OneMachine]
        : CitusCluster.RestartCommand is null ? [HostKilled, DistributedLater, ShardsMoved]
        : [HostKilled, DistributedLater, ShardsMoved, WorkerKilled];

    [OneTimeTearDown]
    public void StopDatabase() => _cluster?.Dispose();

    [Test]
    public Task D4_D12_a_host_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing() =>
        RunAsync("SQLite", () => new SqliteTarget(), kills: 12);

    [Test]
    public Task D4_D12_hosts_that_are_killed_in_turn_lose_nothing_and_double_nothing([Values(2, 3)] int hosts) =>
        RunAsync($"PostgreSQL, {hosts} hosts, one of them killed", () => new PostgreSqlTarget(NewDatabase(), hosts), kills: 6);

    [Test]
    public Task D4_D12_hosts_of_the_layout_for_many_machines_that_are_killed_in_turn_lose_nothing_and_double_nothing() =>
        RunAsync(
            "PostgreSQL in the layout for many machines, 3 hosts, one of them killed",
            () => new PostgreSqlTarget(NewDatabase(), 3, layout: "CitusReady"), kills: 6);

    [Test]
    public Task D4_D12_a_database_that_crashes_again_and_again_loses_nothing_and_doubles_nothing() =>
        RunAsync(
            "PostgreSQL, 2 hosts, the database stopped at once", () => new PostgreSqlTarget(NewDatabase(), 2, StopDatabaseAtOnceAsync), kills: 6);

    [TestCaseSource(nameof(ManyMachines))]
    public async Task D4_D12_machines_that_go_and_come_back_lose_nothing_and_double_nothing(string what)
    {
        if (CitusCluster.Find() is not { } citus)
        {
            await RunAsync(what, () => new PostgreSqlTarget(NewDatabase(), 2, StopDatabaseAtOnceAsync, "CitusReady"), kills: 4);
            return;
        }

        await citus.EmptyAsync();
        PostgreSqlTarget target = null!;
        var isDistributed = false;
        try
        {
            await RunAsync(
                what, () => target = new PostgreSqlTarget(citus.ConnectionString, 2, CrashAsync, what == DistributedLater ? "CitusReady" : "Citus")
                {
                    IsWatched = false,
                },
                kills: 4);
        }
        finally
        {
            await citus.RestoreAsync();
        }

        async Task CrashAsync()
        {
            if (what == WorkerKilled) await CitusCluster.RestartWorkerAsync();
            else if (what == ShardsMoved) await citus.MoveShardsAsync();
            else if (what == HostKilled || isDistributed) await target.CrashHostAsync();
            else await target.StopWhileAsync(citus.DistributeAsync, "Citus");
            isDistributed = true;
        }
    }

    [Test]
    public async Task D4_D12_a_synchronous_standby_that_takes_over_has_lost_nothing_and_doubles_nothing()
    {
        RequiredPostgreSql.Programs();
        using var primary = PostgreSqlCluster.Start();
        using var standby = primary.StartSynchronousStandby();
        // Both servers, and no word about which of them is the primary: the hosts find out, and find out again.
        var database = $"Host=127.0.0.1:{primary.Port},127.0.0.1:{standby.Port};Username=postgres;Database=postgres;Host Recheck Seconds=1";
        PostgreSqlTarget target = null!;
        var isOver = false;
        await RunAsync("PostgreSQL, 2 hosts, the primary killed and its standby promoted", () => target = new(database, 2, CrashAsync), kills: 3, atMost: 3);
        Assert.That(isOver);

        // First the primary; then a host, which has to find the new one.
        async Task CrashAsync()
        {
            if (isOver)
            {
                await target.CrashHostAsync();
                return;
            }

            Assert.That(primary.Query("SELECT sync_state FROM pg_stat_replication"), Is.EqualTo("sync"));
            primary.KillServer();
            await Task.Run(standby.Promote);
            isOver = true;
        }
    }

    private static Task<CrashRun.Summary> RunAsync(string name, Func<ICrashTarget> start, int kills, int atMost = int.MaxValue) =>
        RunAsync(name, _ => start(), kills, atMost);

    internal static async Task<CrashRun.Summary> RunAsync(string name, Func<int, ICrashTarget> start, int kills, int atMost = int.MaxValue)
    {
        if (Environment.GetEnvironmentVariable("CRASH_KILLS") is { } number)
            kills = Math.Min(int.Parse(number, CultureInfo.InvariantCulture), atMost);
        var seed = Random.Shared.Next();
        await using var target = start(seed);
        var summary = await new CrashRun(target, seed).RunAsync(kills);

        await TestContext.Out.WriteLineAsync($"{name}, seed {seed}: {summary}");
        Assert.That(summary.Result.IsClean, $"seed {seed}: {summary}");
        Assert.That(summary.Delivered, Is.GreaterThan(kills), "there was load");
        Assert.That(summary.Refused, Is.Positive, "and some of it had to be refused");
        return summary;
    }

    private Task StopDatabaseAtOnceAsync() => Task.Run(() =>
    {
        _cluster!.StopServer("immediate");
        _cluster.StartServer();
    });

    private string NewDatabase()
    {
        RequiredPostgreSql.Programs();
        _cluster ??= PostgreSqlCluster.Start();
        var name = $"crash{Guid.NewGuid():N}";
        _cluster.Execute($"CREATE DATABASE {name}");
        return $"{_cluster.ConnectionString};Database={name}";
    }
}
