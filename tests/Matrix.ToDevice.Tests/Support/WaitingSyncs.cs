using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>Tells when as many syncs wait as a test needs, by the module's own metric.</summary>
internal sealed class WaitingSyncs : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly Lock _lock = new();
    private TaskCompletionSource _changed = new();
    private long _waiting;

    private WaitingSyncs(IMeterFactory meters)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "matrix.to_device.waiting_syncs" && instrument.Meter.Scope == meters)
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((_, change, _, _) =>
        {
            lock (_lock)
            {
                _waiting += change;
                _changed.SetResult();
                _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        });
        _listener.Start();
    }

    public static WaitingSyncs Of(IServiceProvider services) => new(services.GetRequiredService<IMeterFactory>());

    public async Task ReachesAsync(int count)
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (_waiting == count) return;
                changed = _changed.Task;
            }

            await changed.WaitAsync(TimeLimit.OfOneWait);
        }
    }

    public void Dispose() => _listener.Dispose();
}
