using System.Diagnostics.Metrics;

namespace LocalHomeserver.Tests;

/// <summary>Tells when a sync has begun to wait, from the library's own count of waiting syncs.</summary>
internal sealed class WaitingSyncs : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly SemaphoreSlim _begun = new(0);

    public WaitingSyncs(Homeserver server)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "matrix.to_device.waiting_syncs" && instrument.Meter.Scope == server.MeterScope)
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((_, measurement, _, _) =>
        {
            if (measurement > 0) _begun.Release();
        });
        _listener.Start();
    }

    public async Task NextAsync() =>
        Assert.That(await _begun.WaitAsync(TimeSpan.FromMinutes(1)), Is.True, "No sync began to wait.");

    public void Dispose()
    {
        _listener.Dispose();
        _begun.Dispose();
    }
}
