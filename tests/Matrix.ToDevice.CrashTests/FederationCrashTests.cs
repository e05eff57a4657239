namespace Matrix.ToDevice.Tests;

/// <summary>Messages cross from one server to another while either is killed. <c>CRASH_KILLS=75</c> kills each of them 50 times.</summary>
[Category("Slow")]
public class FederationCrashTests
{
    private PostgreSqlCluster? _cluster;

    [OneTimeTearDown]
    public void StopDatabase() => _cluster?.Dispose();

    [Test]
    public Task D15_D16_R84_two_servers_on_SQLite_that_are_killed_lose_nothing_and_double_nothing() => RunAsync(
        "SQLite", seed => new FederationTarget(new SqliteServerStore(), new SqliteServerStore(), sendingHosts: 1, seed), kills: 6);

    [Test]
    public Task D15_D16_R84_two_servers_on_PostgreSQL_that_are_killed_lose_nothing_and_double_nothing() => RunAsync(
        "PostgreSQL, 2 sending hosts",
        seed => new FederationTarget(NewStore(), NewStore(), sendingHosts: 2, seed), kills: 3);

    private static async Task RunAsync(string name, Func<int, FederationTarget> start, int kills)
    {
        FederationTarget target = null!;
        var summary = await CrashTests.RunAsync($"Two servers on {name}", seed => target = start(seed), kills);
        await TestContext.Out.WriteLineAsync($"The sending server was killed {target.SenderKills} times, the receiving one {target.ReceiverKills} times.");
        if (summary.Kills >= 30) Assert.That(summary.CommittedUnanswered, Is.Positive, "EDUs came again after they had been delivered");
    }

    private PostgreSqlServerStore NewStore()
    {
        RequiredPostgreSql.Programs();
        _cluster ??= PostgreSqlCluster.Start();
        var name = $"crash{Guid.NewGuid():N}";
        _cluster.Execute($"CREATE DATABASE {name}");
        return new PostgreSqlServerStore($"{_cluster.ConnectionString};Database={name}");
    }
}
