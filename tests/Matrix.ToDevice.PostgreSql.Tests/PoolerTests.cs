using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// A pgbouncer between the hosts and the database, which hands connections out for each transaction: every promise holds, and
/// only the wake-ups between hosts get lost.
/// </summary>
public class PoolerTests
{
    private static readonly PostgreSqlTarget s_target = new(() => Through(s_pooler!, TestCluster.ConnectionString));
    private static PgBouncer? s_pooler;

    // Without the cases that cancel statements all the time: pgbouncer 1.18, Debian 12's, ends with "server in bad state" when
    // one cancellation overtakes another (its issue 822; mended in 1.19).
    private static IEnumerable<ConformanceCase> Cases =>
        ConformanceKit.CasesFor(s_target).Where(promise => promise.Promise != "Cancelled_calls_do_all_or_nothing");

    [OneTimeSetUp]
    public void Start() => s_pooler = new PgBouncer(TestCluster.Cluster.Port, connections: 4);

    [OneTimeTearDown]
    public void Stop() => s_pooler?.Dispose();

    [TestCaseSource(nameof(Cases))]
    public async Task The_store_keeps_its_promises_through_a_pooler(ConformanceCase promise) => (await promise.RunAsync(s_target)).ThrowIfFailed();

    [Test]
    public async Task D3_D4_a_pooler_that_is_killed_and_comes_back_loses_and_doubles_nothing()
    {
        using var pooler = new PgBouncer(TestCluster.Cluster.Port, connections: 3);
        var database = Through(pooler, TestCluster.NewDatabase());
        await using var one = new Host(database);
        await using var two = new Host(database);
        using var load = new HostLoad(one, two);
        await one.SendAsync("first", "x", "other");
        load.Start();
        for (var round = 0; round < 5; round++)
        {
            await load.AcceptsAsync(100);
            pooler.Restart();
        }

        await load.AcceptsAsync(100);
        await load.StopAndCheckAsync();
        TestContext.Out.WriteLine($"{load.Failures} attempts failed");
    }

    [Test]
    public async Task D13_behind_a_pooler_a_waiting_sync_finds_the_message_of_another_host_at_its_next_look()
    {
        await using var servers = await TwoServers.StartAsync(Through(s_pooler!, TestCluster.NewDatabase()), TimeSpan.FromMilliseconds(200));
        using var waiting = WaitingSyncs.Of(servers.Two.Services);
        var poll = servers.Bob.SyncAsync(timeout: 120_000);
        await waiting.ReachesAsync(1);

        (await servers.Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That((await poll).Events, Has.Count.EqualTo(1));
    }

    [TestCase(null, HealthStatus.Degraded)]
    [TestCase(true, HealthStatus.Degraded)]
    [TestCase(false, HealthStatus.Healthy)]
    public async Task Behind_a_pooler_the_health_check_says_that_notifications_do_not_come_through(bool? wanted, HealthStatus status)
    {
        using var pooler = new PgBouncer(TestCluster.Cluster.Port, connections: 4);
        await using var host = new Host(Through(pooler, TestCluster.NewDatabase()), options => options.Notifications = wanted);

        var health = await host.HealthAsync();

        Assert.That(health.Status, Is.EqualTo(status));
        if (status == HealthStatus.Degraded) Assert.That(health.Description, Does.Contain("pooler"));
    }

    /// <summary>A LISTEN would stay on a connection that belongs to others, and pgbouncer lose its hold on that one.</summary>
    [Test]
    public async Task Behind_a_pooler_nobody_listens_unless_told_to()
    {
        using var pooler = new PgBouncer(TestCluster.Cluster.Port, connections: 1);
        var database = Through(pooler, TestCluster.NewDatabase());
        await using var host = new Host(database);
        await host.SendAsync("t1", "1", "B1");

        Assert.That(new DatabaseView(database).Count("SELECT count(*) FROM pg_listening_channels()"), Is.Zero);
    }

    [Test]
    public async Task D13_a_pooler_that_leaves_a_client_its_connection_carries_everything()
    {
        using var pooler = new PgBouncer(TestCluster.Cluster.Port, connections: 20, mode: "session");
        await using var host = new Host(
            Through(pooler, TestCluster.NewDatabase()), options => (options.Notifications, options.PrepareStatements) = (true, true));

        Assert.That(await host.SendAsync("t1", "1", "B1"), Is.EqualTo(CommitResult.Committed));
        Assert.That((await host.HealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy));
        Assert.That(await host.ReadAsync("B1"), Is.EqualTo(new[] { "1" }));
    }

    [Test]
    public async Task Statements_are_prepared_on_a_direct_connection_and_not_through_a_pooler()
    {
        var database = TestCluster.NewDatabase();

        Assert.That(await PreparedAsync(database), Is.GreaterThan(0));
        Assert.That(await PreparedAsync(Through(s_pooler!, database)), Is.Zero);
    }

    [Test]
    public async Task A_pooler_that_mixes_up_prepared_statements_is_reported()
    {
        using var pooler = new PgBouncer(TestCluster.Cluster.Port, connections: 1);
        var database = Through(pooler, TestCluster.NewDatabase());
        await using var one = new Host(database, Prepare);
        await using var two = new Host(database, Prepare);
        await one.ReadAsync("B1");

        Assert.That(
            async () => await two.ReadAsync("B1"),
            Throws.TypeOf<PostgreSqlStoreException>().With.Message.Contains("PrepareStatements"));

        static void Prepare(PostgreSqlStoreOptions options) => options.PrepareStatements = true;
    }

    private static string Through(PgBouncer pooler, string connectionString) => $"{connectionString};Port={pooler.Port};No Reset On Close=true";

    /// <summary>How many statements a host has prepared that does one thing after the other: on its first connection.</summary>
    private static async Task<long> PreparedAsync(string database)
    {
        await using var dataSource = NpgsqlDataSource.Create($"{database};Maximum Pool Size=2");
        await using var host = new Host("", options =>
            (options.ConnectionString, options.DataSource, options.Notifications, options.Writers) = (null, dataSource, false, 1));
        await host.SendAsync("t1", "1", "B1");
        await host.ReadAsync("B1");
        await using var command = dataSource.CreateCommand("SELECT count(*) FROM pg_prepared_statements");
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
