using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Matrix.ToDevice.Tests.Limits;

/// <summary>What hosts do beside their requests, and which of them does it.</summary>
public class UpkeepTests
{
    private static readonly TimeSpan s_interval = new SendToDeviceOptions().PurgeInterval;

    private ManualTime _time = null!;
    private Channel<string> _asked = null!;
    private TestHomeserver _server = null!;
    private TestClient _alice = null!;

    [SetUp]
    public async Task StartAsync()
    {
        (_time, _asked) = (new ManualTime(), Channel.CreateUnbounded<string>());
        _server = await TestHomeserver.StartAsync(builder =>
        {
            UpkeepStore.Add(builder);
            builder.Services.AddSingleton<TimeProvider>(_time);
        });
        UpkeepStore.Of(_server).MayTake = task => _asked.Writer.TryWrite(task);
        _alice = _server.Login("@alice:hs1", "A1");
        await _alice.SendAsync("t1", "@bob:hs1", "B1");
        _time.Advance(TimeSpan.FromHours(23));
        while (_asked.Reader.TryRead(out _))
        {
        }
    }

    [TearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [Test]
    public async Task D5_records_are_purged_by_the_host_that_has_taken_the_task()
    {
        using var metrics = CapturedMetrics.Of(_server);
        _time.Advance(TimeSpan.FromHours(2));

        await metrics.ReachAsync("matrix.to_device.purged", 1);

        Assert.That(metrics["matrix.to_device.purged"].Sum(purge => purge.Value), Is.EqualTo(1));
        Assert.That(await _asked.Reader.ReadAsync(), Is.EqualTo("purge"), "and not for messages, which do not expire");
    }

    [Test]
    public async Task D5_and_by_no_other()
    {
        var store = UpkeepStore.Of(_server);
        store.MayTake = task => !_asked.Writer.TryWrite(task);
        using var metrics = CapturedMetrics.Of(_server);

        _time.Advance(TimeSpan.FromHours(2));
        await _asked.Reader.ReadAsync().AsTask().WaitAsync(TimeLimit.OfOneWait);
        await _server.Services.GetServices<IHostedService>().Single(service => service.GetType().Name == "Upkeep").StopAsync(default);

        Assert.That(metrics["matrix.to_device.purged"], Is.Empty);
    }

    [Test]
    public async Task A_purge_that_fails_is_tried_again_at_the_next_interval()
    {
        using var metrics = CapturedMetrics.Of(_server);
        var asked = 0;
        UpkeepStore.Of(_server).MayTake = task =>
            _asked.Writer.TryWrite(task) && Interlocked.Increment(ref asked) == 1 ? throw new TimeoutException("The database has gone.") : true;
        _time.Advance(TimeSpan.FromHours(1) + s_interval);
        await _asked.Reader.ReadAsync().AsTask().WaitAsync(TimeLimit.OfOneWait);

        while (!metrics["matrix.to_device.purged"].Any())
        {
            _time.Advance(s_interval);
            await TimeLimit.OneMoreTurnAsync();
        }

        Assert.That(metrics["matrix.to_device.purged"].Sum(purge => purge.Value), Is.EqualTo(1));
    }
}
