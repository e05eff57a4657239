namespace Matrix.ToDevice.Tests;

/// <summary>Messages are pushed to an appservice while it, or the server, dies. <c>CRASH_KILLS=75</c> kills each of them 50 times.</summary>
[Category("Slow")]
public class AppserviceCrashTests
{
    private PostgreSqlCluster? _cluster;

    [OneTimeTearDown]
    public void StopDatabase() => _cluster?.Dispose();

    [Test]
    public Task R105_D4_an_appservice_of_a_server_on_SQLite_that_is_killed_loses_nothing_and_gets_nothing_twice() =>
        RunAsync("SQLite", seed => new AppserviceTarget(new SqliteServerStore(), hosts: 1, seed), kills: 6);

    [Test]
    public Task R105_D4_an_appservice_of_hosts_on_PostgreSQL_that_are_killed_loses_nothing_and_gets_nothing_twice() => RunAsync(
        "PostgreSQL, 2 hosts",
        seed =>
        {
            RequiredPostgreSql.Programs();
            _cluster ??= PostgreSqlCluster.Start();
            var name = $"crash{Guid.NewGuid():N}";
            _cluster.Execute($"CREATE DATABASE {name}");
            return new AppserviceTarget(new PostgreSqlServerStore($"{_cluster.ConnectionString};Database={name}"), hosts: 2, seed);
        },
        kills: 3);

    private static async Task RunAsync(string name, Func<int, AppserviceTarget> start, int kills)
    {
        AppserviceTarget target = null!;
        await CrashTests.RunAsync($"An appservice of a server on {name}", seed => target = start(seed), kills);
        await TestContext.Out.WriteLineAsync(
            $"A host was killed {target.HostKills} times; of {target.Bridge.Kept} transactions {target.Bridge.Repeated} came again, {target.Bridge.Altered} of them altered.");
        Assert.That(target.Bridge.Repeated, Is.Positive, "some answers were lost");
        Assert.That(target.Bridge.Altered, Is.Zero);
    }
}
