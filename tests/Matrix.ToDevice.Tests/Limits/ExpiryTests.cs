using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Matrix.ToDevice.Tests.Limits;

/// <summary>Messages that have waited for longer than <see cref="SendToDeviceOptions.MessageExpiry"/>.</summary>
public class ExpiryTests
{
    private static readonly DeviceAddress s_bobs = new("@bob:hs1", "B1");
    private static readonly TimeSpan s_expiry = TimeSpan.FromDays(7), s_longTime = TimeSpan.FromMinutes(2);

    private ManualTime _time = null!;
    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private TestClient _bob = null!;

    private UpkeepStore Store => UpkeepStore.Of(_server);

    private IDeviceInbox Inbox => _server.Services.GetRequiredService<IDeviceInbox>();

    [SetUp]
    public async Task StartAsync()
    {
        _time = new ManualTime();
        _server = await TestHomeserver.StartAsync(builder =>
        {
            UpkeepStore.Add(builder);
            builder.Services.AddSingleton<TimeProvider>(_time);
            builder.UseDehydratedDevices<TestDehydratedDevices>();
            builder.Services.Configure<SendToDeviceOptions>(options => (options.MessageExpiry, options.SyncLimit) = (s_expiry, 3));
        });
        // What the background would delete, it leaves, unless a test says so.
        Store.MayTake = _ => false;
        _alice = _server.Login("@alice:hs1", "A1");
        _bob = _server.Login("@bob:hs1", "B1");
    }

    [TearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [TestCase(1, 1)]
    [TestCase(3, 2)]
    [TestCase(8, 4)]
    public async Task What_has_waited_for_too_long_is_not_handed_out_and_deleted_and_holds_up_nothing(int old, int young)
    {
        using var metrics = CapturedMetrics.Of(_server);
        for (var n = 0; n < old; n++) await _alice.SendAsync($"old{n}", "@bob:hs1", "B1", """{"old":1}""");
        _time.Advance(s_expiry);
        Assert.That((await _bob.SyncAsync()).Events, Is.Not.Empty, "not before its time");
        _time.Advance(TimeSpan.FromSeconds(1));
        for (var n = 0; n < young; n++) await _alice.SendAsync($"young{n}", "@bob:hs1", "B1", $$"""{"n":{{n}}}""");

        var got = new List<string>();
        for (string? since = null; ;)
        {
            var sync = await _bob.SyncAsync(since);
            if (sync.Events.Count == 0) break;
            got.AddRange(sync.Contents);
            since = sync.NextBatch;
        }

        Assert.That(got, Is.EqualTo(Enumerable.Range(0, young).Select(n => $$"""{"n":{{n}}}""")));
        Assert.That(metrics["matrix.to_device.dropped"].Select(drop => drop.Tags).Distinct(), Is.EqualTo(new[] { "reason=expired" }));
        Assert.That(metrics["matrix.to_device.dropped"].Sum(drop => drop.Value), Is.EqualTo(old));
        using var rest = await Inbox.ReadAsync(s_bobs, InboxPosition.Start, 100, int.MaxValue, default);
        Assert.That(rest.Messages, Is.Empty);
    }

    [Test]
    public async Task A_wait_is_not_ended_by_it_and_is_by_the_next_message()
    {
        await _alice.SendAsync("old", "@bob:hs1", "B1");
        _time.Advance(s_expiry + TimeSpan.FromSeconds(1));
        using var waiting = WaitingSyncs.Of(_server.Services);
        var wait = _server.ToDevice.WaitAsync(s_bobs, null, s_longTime, default).AsTask();
        await waiting.ReachesAsync(1);
        for (var turn = 0; turn < 3; turn++) await TimeLimit.OneMoreTurnAsync();
        Assert.That(wait.IsCompleted, Is.False);

        await _alice.SendAsync("young", "@bob:hs1", "B1");

        Assert.That(await wait.WaitAsync(TimeLimit.OfOneWait), Is.True);
    }

    [Test]
    public async Task The_events_of_a_dehydrated_device_are_without_it()
    {
        ((TestDehydratedDevices)_server.Services.GetRequiredService<IDehydratedDevices>()).Set("@bob:hs1", "B1");
        await _alice.SendAsync("old", "@bob:hs1", "B1");
        _time.Advance(s_expiry + TimeSpan.FromSeconds(1));
        await _alice.SendAsync("young", "@bob:hs1", "B1", """{"n":1}""");

        using var batch = await _server.Services.GetRequiredService<DehydratedDeviceEvents>().ReadAsync("@bob:hs1", "B1", null, default);

        Assert.That(batch.Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task It_is_deleted_in_the_background_where_nobody_comes_for_it_in_bounded_portions()
    {
        using var metrics = CapturedMetrics.Of(_server);
        for (var n = 0; n < 1001; n++) await _alice.SendAsync($"old{n}", "@bob:hs1", "B1");
        _time.Advance(s_expiry + TimeSpan.FromSeconds(1));
        await _alice.SendAsync("young", "@bob:hs1", "B1");
        Store.MayTake = task => task == "expire";

        _time.Advance(new SendToDeviceOptions().PurgeInterval);

        await metrics.ReachAsync("matrix.to_device.dropped", 2);
        Assert.That(Store.Expired, Is.EqualTo(new[] { 1000, 1 }));
        using var rest = await Inbox.ReadAsync(s_bobs, InboxPosition.Start, 5000, int.MaxValue, default);
        Assert.That(rest.Messages, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task The_task_is_left_to_the_host_that_has_taken_it()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Store.MayTake = task =>
        {
            if (task == "expire") asked.TrySetResult();
            return false;
        };
        await _alice.SendAsync("old", "@bob:hs1", "B1");
        _time.Advance(s_expiry + TimeSpan.FromSeconds(1));

        _time.Advance(new SendToDeviceOptions().PurgeInterval);
        await asked.Task.WaitAsync(TimeLimit.OfOneWait);
        await _server.Services.GetServices<IHostedService>().Single(service => service.GetType().Name == "Upkeep").StopAsync(default);

        Assert.That(Store.Expired, Is.Empty);
    }
}
