namespace Matrix.ToDevice.Tests;

/// <summary>How many sends share a commit is measured.</summary>
public class StoreMetricsTests
{
    private const string Batches = "matrix.to_device.store.batch.size", Retries = "matrix.to_device.store.retries";

    [Test]
    public async Task Sends_that_come_together_are_measured_together_and_retries_are_announced()
    {
        await using var host = new Host(TestCluster.NewDatabase());
        using var metrics = CapturedMetrics.Of(host.Services);
        await host.SendAsync("t0", "{}", "B1");
        Assert.That(metrics[Batches].Single().Value, Is.EqualTo(1));
        Assert.That(metrics[Retries].Select(retry => retry.Value), Is.EqualTo(new[] { 0.0 }), "it is announced");

        await Task.WhenAll(Enumerable.Range(1, 200).Select(n => Task.Run(() => host.SendAsync($"t{n}", "{}", "B1"))));
        Assert.That(metrics[Batches].Sum(batch => batch.Value), Is.EqualTo(201));
        Assert.That(metrics[Batches].Count(), Is.LessThan(201), "some have shared a commit");

        Assert.That((metrics.Units[Batches], metrics.Units[Retries]), Is.EqualTo(("Histogram`1 {send}", "Counter`1 {retry}")));
    }
}
