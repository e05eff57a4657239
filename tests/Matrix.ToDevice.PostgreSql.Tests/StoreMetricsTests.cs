namespace Matrix.ToDevice.Tests;

/// <summary>How many sends share a commit is measured, and what was made again.</summary>
public class StoreMetricsTests
{
    private const string Batches = "matrix.to_device.store.batch.size", Retries = "matrix.to_device.store.retries";

    [Test]
    public async Task Sends_that_come_together_are_measured_together_and_a_broken_connection_is_a_retry()
    {
        var database = TestCluster.NewDatabase();
        var view = new DatabaseView(database);
        // A listener would find the break at once, and then nobody is given a broken connection.
        await using var host = new Host(database, options => options.Notifications = false);
        using var metrics = CapturedMetrics.Of(host.Services);
        await host.SendAsync("t0", "{}", "B1");
        Assert.That(metrics[Batches].Single().Value, Is.EqualTo(1));
        Assert.That(metrics[Retries].Select(retry => retry.Value), Is.EqualTo(new[] { 0.0 }), "it is announced");

        await Task.WhenAll(Enumerable.Range(1, 200).Select(n => Task.Run(() => host.SendAsync($"t{n}", "{}", "B1"))));
        Assert.That(metrics[Batches].Sum(batch => batch.Value), Is.EqualTo(201));
        Assert.That(metrics[Batches].Count(), Is.LessThan(201), "some have shared a commit");

        view.Disconnect();
        await view.ReachesAsync(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'", 0);
        Assert.That(await host.SendAsync("t201", "{}", "B1"), Is.EqualTo(CommitResult.Committed));
        Assert.That(metrics[Retries].Sum(retry => retry.Value), Is.Positive);
        Assert.That((metrics.Units[Batches], metrics.Units[Retries]), Is.EqualTo(("Histogram`1 {send}", "Counter`1 {retry}")));
    }
}
