using System.Diagnostics.Metrics;

namespace Matrix.ToDevice.Bench;

/// <summary>How many times this process has asked a database something and waited for the answer, as Npgsql measures it.</summary>
internal sealed class StatementCounter : IDisposable
{
    private readonly MeterListener _listener = new();
    private long _count;

    public StatementCounter()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument is { Meter.Name: "Npgsql", Name: "db.client.operation.duration" }) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<double>((_, _, _, _) => Interlocked.Increment(ref _count));
        _listener.Start();
    }

    public long Count => Interlocked.Read(ref _count);

    public void Dispose() => _listener.Dispose();
}
