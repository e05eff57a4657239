using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Matrix.ToDevice.Tests;

/// <summary>The gauges of what waits: measured now and then, and only while somebody wants to know.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public class StatisticsTests
{
    private readonly TestUpkeep _upkeep = new();
    private readonly ManualTime _time = new();
    private TestHomeserver _server = null!;
    private CapturedMetrics? _metrics;

    [TearDown]
    public async Task StopAsync()
    {
        _metrics?.Dispose();
        await _server.DisposeAsync();
    }

    [Test]
    public async Task D17_what_was_measured_last_is_reported()
    {
        var now = _time.GetUtcNow();
        _upkeep.Measure = _ => Task.FromResult(new StoreStatistics(
            12, 3, 7, now - TimeSpan.FromSeconds(90), new OutboxStatistics(1, 4, now - TimeSpan.FromSeconds(5)), new OutboxStatistics(2, 6, now - TimeSpan.FromHours(1))));
        await StartListenedToAsync();

        Assert.That(Observe(), Is.EquivalentTo(new[]
        {
            "matrix.to_device.inbox.messages  12", "matrix.to_device.inbox.non_empty  3", "matrix.to_device.inbox.largest  7",
            "matrix.to_device.inbox.oldest.age  90",
            "matrix.to_device.outbox.destinations state=working 1", "matrix.to_device.outbox.destinations state=failing 2",
            "matrix.to_device.outbox.edus state=working 4", "matrix.to_device.outbox.edus state=failing 6",
            "matrix.to_device.outbox.oldest.age state=working 5", "matrix.to_device.outbox.oldest.age state=failing 3600",
        }));
    }

    [Test]
    public async Task Nothing_is_as_old_as_nothing_and_so_is_what_a_clock_that_is_ahead_has_committed()
    {
        _upkeep.Measure = _ => Task.FromResult(TestUpkeep.Nothing with { Failing = new OutboxStatistics(1, 1, _time.GetUtcNow() + TimeSpan.FromHours(1)) });
        await StartListenedToAsync();

        Assert.That(Observe().Where(value => value.Contains("oldest.age", StringComparison.Ordinal)), Has.Exactly(3).EndsWith(" 0"));
    }

    [Test]
    public async Task Nobody_measures_while_nobody_listens()
    {
        await StartAsync();
        for (var n = 0; n < 100; n++) await AdvanceAsync();
        Assert.That(_upkeep.Measured, Is.Zero);
        using (CapturedMetrics.Of(_server)) await MeasuredAsync(1);

        // Nobody listens any more. One may be under way.
        for (var n = 0; n < 100; n++) await AdvanceAsync();
        var before = _upkeep.Measured;
        for (var n = 0; n < 100; n++) await AdvanceAsync();
        Assert.That(_upkeep.Measured, Is.EqualTo(before));
        using (CapturedMetrics.Of(_server)) await MeasuredAsync(before + 1);
    }

    [Test]
    public async Task What_is_too_old_is_not_reported()
    {
        await StartListenedToAsync();

        var fails = new TaskCompletionSource();
        _upkeep.Measure = async _ =>
        {
            await fails.Task;
            throw new IOException("The disk is gone.");
        };
        _time.Advance(TimeSpan.FromMinutes(3));
        Assert.That(Observe(), Is.Not.Empty);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.That(Observe(), Is.Empty);

        fails.SetResult();
        while (!_metrics!["matrix.to_device.store.errors"].Any(error => error.Tags == "operation=measure")) await TimeLimit.OneMoreTurnAsync();
        _upkeep.Measure = _ => Task.FromResult(TestUpkeep.Nothing);
        var before = _upkeep.Measured;
        while (_upkeep.Measured == before) await AdvanceAsync();
        while (Observe().Count == 0) await TimeLimit.OneMoreTurnAsync();
    }

    /// <summary>One that looks at no token.</summary>
    [Test]
    public async Task A_store_that_hangs_is_measured_by_one_at_a_time()
    {
        var (under, most, end) = (0, 0, new TaskCompletionSource());
        _upkeep.Measure = async _ =>
        {
            most = Math.Max(most, Interlocked.Increment(ref under));
            await end.Task;
            Interlocked.Decrement(ref under);
            return TestUpkeep.Nothing;
        };
        await StartAsync();
        using var metrics = CapturedMetrics.Of(_server);
        while (_upkeep.Measured == 0) await AdvanceAsync();
        for (var n = 0; n < 100; n++) await AdvanceAsync();
        Assert.That((most, _upkeep.Measured), Is.EqualTo((1, 1)));

        end.SetResult();
        while (_upkeep.Measured < 2) await AdvanceAsync();
    }

    [Test]
    public async Task Without_an_interval_nobody_measures()
    {
        await StartAsync(null);
        using var metrics = CapturedMetrics.Of(_server);
        for (var n = 0; n < 100; n++) await AdvanceAsync();
        Assert.That((_upkeep.Measured, metrics.Observe().Count), Is.EqualTo((0, 0)));
    }

    /// <summary>A rate of a counter that begins at one does not show the one.</summary>
    [Test]
    public async Task Counters_stand_at_zero_from_the_start()
    {
        using var listener = new MeterListener();
        var zeros = new ConcurrentQueue<(object? Scope, string Text)>();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == "Matrix.ToDevice") self.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            if (value == 0) zeros.Enqueue((instrument.Meter.Scope, $"{instrument.Name} {string.Join(' ', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}"))}"));
        });
        listener.Start();
        await StartAsync();

        string[] expected =
        [
            "matrix.to_device.handed_out ", "matrix.to_device.redelivered ", "matrix.to_device.dropped reason=quota", "matrix.to_device.dropped reason=expired",
            "matrix.to_device.dropped reason=cancelled", "matrix.to_device.dropped reason=stale", "matrix.to_device.dropped reason=policy",
            "matrix.to_device.wake_ups cause=look", "matrix.to_device.store.errors operation=commit", "matrix.to_device.purged ",
            "matrix.to_device.federation.given_up reason=unreachable", "matrix.to_device.upkeep.runs outcome=failed",
        ];
        var meters = _server.Services.GetRequiredService<IMeterFactory>();
        Assert.That(zeros.Where(zero => zero.Scope == meters).Select(zero => zero.Text), Is.SupersetOf(expected));
    }

    private async Task StartAsync() => await StartAsync(TimeSpan.FromMinutes(1));

    private async Task StartAsync(TimeSpan? interval, Action<IServiceProvider>? before = null) => _server = await TestHomeserver.StartAsync(builder =>
    {
        _upkeep.Add(builder);
        builder.Services.AddSingleton<TimeProvider>(_time);
        builder.Services.Configure<SendToDeviceOptions>(options => options.StatisticsInterval = interval);
        if (before is not null) builder.Services.AddHostedService(provider => new Before(() => before(provider)));
    });

    /// <summary>Starts it with a listener, and waits for what is measured at the start.</summary>
    private async Task StartListenedToAsync()
    {
        await StartAsync(TimeSpan.FromMinutes(1), services => _metrics = CapturedMetrics.Of(services));
        while (Observe().Count == 0) await TimeLimit.OneMoreTurnAsync();
    }

    private List<string> Observe() =>
        [.. _metrics!.Observe().Select(measurement => $"{measurement.Name} {measurement.Tags} {Math.Round(measurement.Value)}")];

    /// <summary>Moves the clock on until it was measured so often.</summary>
    private async Task MeasuredAsync(int times)
    {
        while (_upkeep.Measured < times) await AdvanceAsync();
    }

    private async Task AdvanceAsync()
    {
        _time.Advance(TimeSpan.FromMinutes(1));
        await TimeLimit.OneMoreTurnAsync();
    }

    /// <summary>Does something when the server is about to be started.</summary>
    private sealed class Before(Action before) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            before();
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
