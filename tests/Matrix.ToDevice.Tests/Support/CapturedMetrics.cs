using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>Keeps what the module of one server measures.</summary>
internal sealed class CapturedMetrics : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly SemaphoreSlim _added = new(0);
    private readonly ConcurrentQueue<Measurement> _measurements = new();
    private readonly ConcurrentDictionary<string, string> _units = new();

    private CapturedMetrics(IMeterFactory meters)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name != "Matrix.ToDevice" || instrument.Meter.Scope != meters) return;
            _units[instrument.Name] = $"{instrument.GetType().Name} {instrument.Unit}";
            listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>The instruments: name, kind and unit.</summary>
    public IReadOnlyDictionary<string, string> Units => _units;

    public static CapturedMetrics Of(TestHomeserver server) => Of(server.Services);

    public static CapturedMetrics Of(IServiceProvider services)
    {
        // The instruments are made with the first of these.
        services.GetRequiredService<ToDeviceSync>();
        return new CapturedMetrics(services.GetRequiredService<IMeterFactory>());
    }

    /// <summary>The measurements of one instrument; tags as <c>key=value</c> in the order of their keys.</summary>
    public IEnumerable<Measurement> this[string name] => _measurements.Where(measurement => measurement.Name == name);

    /// <summary>Asks the gauges that are asked, and gives what they say.</summary>
    public IReadOnlyList<Measurement> Observe()
    {
        var before = _measurements.ToHashSet(ReferenceEqualityComparer.Instance);
        _listener.RecordObservableInstruments();
        return [.. _measurements.Where(measurement => !before.Contains(measurement))];
    }

    /// <summary>Waits until an instrument has as many measurements.</summary>
    public async Task ReachAsync(string name, int count)
    {
        while (this[name].Count() < count)
            Assert.That(await _added.WaitAsync(TimeLimit.OfOneWait), Is.True, $"{name} has {this[name].Count()} of {count} measurements.");
    }

    public void Dispose()
    {
        _listener.Dispose();
        _added.Dispose();
    }

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var text = string.Join(" ", tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}").Order());
        _measurements.Enqueue(new Measurement(instrument.Name, value, text));
        _added.Release();
    }

    internal sealed record Measurement(string Name, double Value, string Tags);
}
