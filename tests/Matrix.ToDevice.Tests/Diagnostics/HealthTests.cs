using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Matrix.ToDevice.Tests;

/// <summary><c>AddHealthChecks().AddSendToDevice()</c>: what it says about a store that has something to say, and about any other one.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public class HealthTests
{
    private readonly TestUpkeep _upkeep = new();
    private readonly TestTime _time = new();
    private TestHomeserver? _server;

    [TearDown]
    public async Task StopAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
    }

    [Test]
    public async Task A_store_that_can_be_used_is_healthy()
    {
        await StartAsync(_upkeep.Add);
        Assert.That(await CheckAsync(), Is.EqualTo((HealthStatus.Healthy, (string?)null)));
    }

    [Test]
    public async Task What_a_store_says_is_degraded_with_its_words()
    {
        _upkeep.Check = _ => Task.FromResult<string?>("Notifications do not come through.");
        await StartAsync(_upkeep.Add);
        Assert.That(await CheckAsync(), Is.EqualTo((HealthStatus.Degraded, "Notifications do not come through.")));
    }

    [Test]
    public async Task D3_a_store_that_fails_is_unhealthy_with_its_words()
    {
        _upkeep.Check = _ => throw new IOException("The disk is full.");
        await StartAsync(_upkeep.Add);
        Assert.That(await CheckAsync(), Is.EqualTo((HealthStatus.Unhealthy, "The disk is full.")));
    }

    /// <summary>It looks at no token, as a writer that is stuck does not: and those who ask again do not pile up behind it.</summary>
    [Test]
    public async Task A_writer_that_is_stuck_is_unhealthy_and_no_hang_and_is_tried_once()
    {
        var (tries, end) = (0, new TaskCompletionSource<string?>());
        _upkeep.Check = _ =>
        {
            Interlocked.Increment(ref tries);
            return end.Task;
        };
        await StartAsync(builder =>
        {
            _upkeep.Add(builder);
            builder.Services.Configure<SendToDeviceOptions>(options => options.HealthCheckTimeout = TimeSpan.FromMilliseconds(50));
        });

        for (var n = 0; n < 3; n++)
        {
            var (status, text) = await CheckAsync();
            Assert.That((status, text), Is.EqualTo((HealthStatus.Unhealthy, text)));
            Assert.That(text, Does.StartWith("The store has not answered in 00:00:00.05"));
        }

        Assert.That(tries, Is.EqualTo(1));
        end.SetResult(null);
        (HealthStatus Status, string?) after;
        do after = await CheckAsync();
        while (after.Status != HealthStatus.Healthy);
    }

    [Test]
    public async Task Any_store_is_read_and_written_and_nothing_is_changed()
    {
        await StartAsync(HookedStore.Add, withoutUpkeep: true);
        var (alice, bob) = (_server!.Login("@alice:hs1", "A1"), _server.Login("@bob:hs1", "B1"));
        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That(await CheckAsync(), Is.EqualTo((HealthStatus.Healthy, (string?)null)));

        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        Assert.That((await bob.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [TestCase(nameof(IDeviceInbox.ReadAsync))]
    [TestCase(nameof(ITransactionStore.PurgeAsync))]
    public async Task Any_store_that_cannot_be_read_or_written_is_unhealthy(string method)
    {
        await StartAsync(builder => FailingSeam.Add(builder, method), withoutUpkeep: true);
        Assert.That(await CheckAsync(), Is.EqualTo((HealthStatus.Unhealthy, FailingSeam.Message)));
    }

    [TestCase(6, true, HealthStatus.Degraded)]
    [TestCase(4, true, HealthStatus.Healthy)]
    [TestCase(6, false, HealthStatus.Healthy, Description = "who does not send has nothing that is stalled")]
    public async Task D22_mail_that_waits_for_a_server_that_has_not_failed_is_degraded(int minutes, bool sends, HealthStatus expected)
    {
        var oldest = _time.GetUtcNow() - TimeSpan.FromMinutes(minutes);
        _upkeep.Measure = _ => Task.FromResult(TestUpkeep.Nothing with { Working = new OutboxStatistics(2, 7, oldest) });
        await StartAsync(builder =>
        {
            _upkeep.Add(builder);
            if (sends) TestTransport.Add(builder);
        });

        var (status, text) = await CheckAsync();
        Assert.That(status, Is.EqualTo(expected));
        if (expected == HealthStatus.Degraded)
            Assert.That(text, Does.StartWith("EDUs wait for 2 destinations that have not failed, the oldest for 00:06:00:"));
    }

    [Test]
    public async Task D22_mail_that_waits_for_a_server_that_is_down_is_in_order()
    {
        var oldest = _time.GetUtcNow() - TimeSpan.FromDays(1);
        _upkeep.Measure = _ => Task.FromResult(TestUpkeep.Nothing with { Failing = new OutboxStatistics(1, 1, oldest) });
        await StartAsync(builder =>
        {
            _upkeep.Add(builder);
            TestTransport.Add(builder);
        });
        Assert.That(await CheckAsync(), Is.EqualTo((HealthStatus.Healthy, (string?)null)));
    }

    /// <summary>To count what waits takes as long as there is much: whoever ends hosts that are unhealthy would end all of them for that.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public async Task A_store_that_works_but_is_not_measured_in_time_is_not_unhealthy(bool hangs)
    {
        var end = new TaskCompletionSource<StoreStatistics>();
        _upkeep.Measure = _ => hangs ? end.Task : throw new IOException("The statement was cancelled.");
        await StartAsync(builder =>
        {
            _upkeep.Add(builder);
            TestTransport.Add(builder);
            builder.Services.Configure<SendToDeviceOptions>(options => options.HealthCheckTimeout = TimeSpan.FromMilliseconds(50));
        });

        var (status, text) = await CheckAsync();

        Assert.That((status, text), Is.EqualTo((HealthStatus.Degraded, text)));
        Assert.That(text, Does.StartWith("The store works, and what waits in it cannot be measured"));
        end.TrySetResult(TestUpkeep.Nothing);
    }

    private async Task StartAsync(Action<ISendToDeviceBuilder> configure, bool withoutUpkeep = false) =>
        _server = await TestHomeserver.StartAsync(builder =>
        {
            configure(builder);
            if (withoutUpkeep) FailingSeam.RemoveUpkeep(builder);
            builder.Services.AddSingleton<TimeProvider>(_time);
            builder.Services.AddHealthChecks().AddSendToDevice();
        });

    private async Task<(HealthStatus Status, string? Text)> CheckAsync()
    {
        var report = await _server!.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        return (report.Entries["to_device"].Status, report.Entries["to_device"].Description);
    }
}
