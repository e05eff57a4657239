using System.Diagnostics.Metrics;
using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>Tells how each send ended, by the module's own metric: also for a client that is not there to see it.</summary>
internal sealed class SendOutcomes : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly Channel<string> _outcomes = Channel.CreateUnbounded<string>();

    private SendOutcomes(IMeterFactory meters)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "matrix.to_device.send.duration" && instrument.Meter.Scope == meters)
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<double>((_, _, tags, _) =>
        {
            foreach (var tag in tags)
                if (tag.Key == "outcome") _outcomes.Writer.TryWrite((string)tag.Value!);
        });
        _listener.Start();
    }

    public static SendOutcomes Of(TestHomeserver server) => new(server.Services.GetRequiredService<IMeterFactory>());

    public async Task<string> NextAsync() => await _outcomes.Reader.ReadAsync().AsTask().WaitAsync(TimeLimit.OfOneWait);

    public void Dispose() => _listener.Dispose();
}
