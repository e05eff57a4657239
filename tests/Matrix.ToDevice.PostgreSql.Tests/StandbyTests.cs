namespace Matrix.ToDevice.Tests;

/// <summary>With a synchronous standby, what is accepted is on both servers, or it is not accepted.</summary>
public class StandbyTests
{
    private const string Confirming = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";

    /// <summary>
    /// PostgreSQL ends a commit that has waited for too long by committing it alone, with a warning and no error. The 200 would
    /// be worth nothing once the standby takes over; nor would that of a retry, which finds the send recorded.
    /// </summary>
    [TestCase("on"), TestCase("off")]
    public async Task D4_what_the_standby_has_not_confirmed_is_not_accepted_until_it_has(string databaseDefault)
    {
        using var primary = PostgreSqlCluster.Start();
        primary.Execute($"ALTER SYSTEM SET synchronous_commit = {databaseDefault}");
        using var standby = primary.StartSynchronousStandby();
        var view = new DatabaseView(primary.ConnectionString);
        await view.ReachesAsync(Confirming, 1);
        await using var host = new Host($"{primary.ConnectionString};Command Timeout=3");
        await host.SendAsync("t0", "0", "B1");
        standby.StopServer("fast");
        await view.ReachesAsync(Confirming, 0);

        for (var attempt = 0; attempt < 2; attempt++)
        {
            Assert.That(
                async () => await host.SendAsync("t1", "1", "B1"),
                Throws.TypeOf<PostgreSqlStoreException>().With.Message.Contains("standby"));
        }

        standby.StartServer();
        await view.ReachesAsync(Confirming, 1);
        Assert.That(await host.SendAsync("t1", "1", "B1"), Is.EqualTo(CommitResult.AlreadyCommitted));
        Assert.That(await host.ReadAsync("B1"), Is.EqualTo(new[] { "0", "1" }));
    }
}
