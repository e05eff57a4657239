namespace Matrix.ToDevice.Tests;

/// <summary>How many sends share a commit is measured.</summary>
public class BatchMetricsTests
{
    private const string Batches = "matrix.to_device.store.batch.size";

    [Test]
    public async Task Sends_that_come_together_are_measured_together_and_what_else_is_written_is_no_send()
    {
        await using var store = SqliteStores.Open(TestFolder.NewFile());
        using var metrics = CapturedMetrics.Of(store.Services);
        var alone = await store.SendAsync("t0", "{}", "B1");
        Assert.That((alone, metrics[Batches].Single().Value), Is.EqualTo((CommitResult.Committed, 1.0)));

        await Task.WhenAll(Enumerable.Range(1, 200).Select(n => Task.Run(() => store.SendAsync($"t{n}", "{}", "B1"))));
        var (_, token) = await store.SyncAsync("B1", limit: 1000);
        await store.SyncAsync("B1", token);

        Assert.That(metrics[Batches].Sum(batch => batch.Value), Is.EqualTo(201));
        Assert.That(metrics[Batches].Count(), Is.LessThan(201), "some have shared a commit");
        Assert.That(metrics.Units[Batches], Is.EqualTo("Histogram`1 {send}"));
    }
}
