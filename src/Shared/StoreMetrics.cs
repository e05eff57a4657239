using System.Diagnostics.Metrics;

namespace Matrix.ToDevice;

/// <summary>What a store measures of itself, on the module's meter; nothing where there is no factory for it. A listener's failures are its own (D24).</summary>
internal sealed class StoreMetrics
{
    private readonly Histogram<long>? _batch;
    private readonly Counter<long>? _retries;

    public StoreMetrics(IMeterFactory? meterFactory)
    {
        if (meterFactory?.Create("Matrix.ToDevice") is not { } meter) return;
        _batch = meter.CreateHistogram(
            "matrix.to_device.store.batch.size", "{send}", "Sends that share a commit of the store.", tags: null,
            new InstrumentAdvice<long> { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256] });
        _retries = meter.CreateCounter<long>(
            "matrix.to_device.store.retries", "{retry}", "Statements that the store has made again after a conflict or a broken connection.");
    }

    /// <summary>Whether somebody wants to know how many sends a commit has.</summary>
    public bool CountsBatches => _batch is { Enabled: true };

    /// <summary>So many sends were committed together.</summary>
    public void Committed(int sends)
    {
        if (sends == 0 || !CountsBatches) return;
        try
        {
            _batch!.Record(sends);
        }
        catch (Exception)
        {
        }
    }

    /// <summary>The store is open. An increase from nothing is none, so that its counter has to be there from the start.</summary>
    public void Announce() => AddRetries(0);

    public void Retried() => AddRetries(1);

    private void AddRetries(int retries)
    {
        try
        {
            _retries?.Add(retries);
        }
        catch (Exception)
        {
        }
    }
}
