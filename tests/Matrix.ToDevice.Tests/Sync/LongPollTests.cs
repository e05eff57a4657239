using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

public class LongPollTests
{
    private const int LongTime = 120_000;
    private static readonly DeviceAddress s_bobsPhone = new("@bob:hs1", "B1");

    [Test]
    public async Task R57_a_message_ends_a_long_poll()
    {
        await using var server = await TestHomeserver.StartAsync();
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");
        var since = (await bob.SyncAsync()).NextBatch;

        var poll = bob.SyncAsync(since, LongTime);
        await alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""");

        Assert.That((await poll).Contents, Is.EqualTo(new[] { """{"n":1}""" }));
    }

    [Test]
    public async Task R57_a_long_poll_without_a_message_ends_at_its_timeout_with_the_same_position()
    {
        await using var server = await TestHomeserver.StartAsync();
        var bob = server.Login("@bob:hs1", "B1");
        var since = (await bob.SyncAsync()).NextBatch;

        var sync = await bob.SyncAsync(since, timeout: 50);

        Assert.That(sync.Events, Is.Empty);
        Assert.That(sync.NextBatch, Is.EqualTo(since));
    }

    [Test]
    public async Task R57_every_poll_of_a_device_is_woken()
    {
        await using var server = await TestHomeserver.StartAsync();
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");

        var polls = Enumerable.Range(0, 3).Select(_ => bob.SyncAsync(timeout: LongTime)).ToArray();
        await alice.SendAsync("t1", "@bob:hs1", "B1");

        Assert.That((await Task.WhenAll(polls)).Select(sync => sync.Events.Count), Has.All.EqualTo(1));
    }

    /// <summary>The message is committed just when the poll has looked, and found nothing.</summary>
    [Test]
    public async Task D13_a_message_between_the_look_and_the_wait_ends_the_wait()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            HookedInbox.Add(builder);
            builder.Services.Configure<SendToDeviceOptions>(options => options.SyncPollInterval = TimeSpan.FromDays(1));
        });
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");
        server.Services.GetRequiredService<HookedInbox>().AfterRead = async read =>
        {
            if (read == 1) await alice.SendAsync("t1", "@bob:hs1", "B1");
        };

        Assert.That((await bob.SyncAsync(timeout: LongTime)).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task D13_a_lost_wake_up_costs_a_poll_interval_and_no_message()
    {
        await using var server = await TestHomeserver.StartAsync();
        var alice = server.Login("@alice:hs1", "A1");
        server.Login("@bob:hs1", "B1");
        var store = new HookedInbox(server.Services.GetRequiredService<IDeviceInbox>());
        // Another host: the same store, but no signal comes from the host that commits.
        var services = new ServiceCollection();
        services.AddSendToDevice(options => options.SyncPollInterval = TimeSpan.FromMilliseconds(20));
        services.AddSingleton<IDeviceInbox>(store);
        await using var otherHost = services.BuildServiceProvider();

        var poll = otherHost.GetRequiredService<ToDeviceSync>()
            .NextAsync(s_bobsPhone, null, TimeSpan.FromMilliseconds(LongTime), default).AsTask();
        await alice.SendAsync("t1", "@bob:hs1", "B1");

        using var batch = await poll;
        Assert.That(batch.Events, Has.Count.EqualTo(1));
    }

    [TestCase(true, 1)]
    [TestCase(false, 4, Description = "at once, every ten seconds, and at the end")]
    public async Task D25_while_every_commit_is_signalled_a_waiting_sync_reads_once(bool isSignalled, int reads)
    {
        await using var server = await TestHomeserver.StartAsync();
        var inbox = new HookedInbox(server.Services.GetRequiredService<IDeviceInbox>()) { IsSignalled = () => isSignalled };

        using var batch = await PollAsync(inbox, TimeSpan.FromSeconds(30), new ManualTime());

        Assert.That(batch.IsEmpty);
        Assert.That(inbox.Asked, Has.Count.EqualTo(reads));
    }

    /// <summary>Another host commits and dies before it can tell; or the channel ends while somebody waits.</summary>
    [TestCase(false, 300, 60)]
    [TestCase(true, 30, 30)]
    public async Task D25_D13_what_was_not_signalled_all_the_same_is_found(bool isChannelLost, int timeout, int foundAfter)
    {
        var time = new ManualTime();
        var started = time.GetUtcNow();
        await using var server = await TestHomeserver.StartAsync();
        var reads = 0;
        var inbox = new HookedInbox(server.Services.GetRequiredService<IDeviceInbox>())
        {
            IsSignalled = () => !isChannelLost || time.GetUtcNow() - started < TimeSpan.FromSeconds(1),
        };
        inbox.Replace = page => ++reads == 1 ? page : new InboxPage([new InboxMessage(new InboxPosition(1, 1), "@alice:hs1", "m.test", "{}"u8.ToArray())], hasMore: false);

        using var batch = await PollAsync(inbox, TimeSpan.FromSeconds(timeout), time);

        Assert.That(batch.Events, Has.Count.EqualTo(1));
        Assert.That((time.GetUtcNow() - started).TotalSeconds, Is.EqualTo(foundAfter).Within(1));
    }

    [Test]
    public async Task D6_a_device_that_is_removed_ends_its_long_poll_and_a_later_device_keeps_its_mail()
    {
        await using var server = await TestHomeserver.StartAsync();
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");
        using var waiting = WaitingSyncs.Of(server.Services);
        var poll = bob.SendAsync(HttpMethod.Get, $"/_matrix/client/v3/sync?timeout={LongTime}");
        await waiting.ReachesAsync(1);

        await server.LogoutAsync("@bob:hs1", "B1");
        var later = server.Login("@bob:hs1", "B1");
        await alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""");

        (await poll).ShouldBe(401, "M_UNKNOWN_TOKEN");
        Assert.That((await later.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":1}""" }));
    }

    [Test]
    public async Task A_client_that_goes_away_ends_its_long_poll()
    {
        await using var server = await TestHomeserver.StartAsync();
        var bob = server.Login("@bob:hs1", "B1");
        using var waiting = WaitingSyncs.Of(server.Services);
        using var gone = new CancellationTokenSource();
        var poll = bob.SendAsync(HttpMethod.Get, $"/_matrix/client/v3/sync?timeout={LongTime}", cancellationToken: gone.Token);
        await waiting.ReachesAsync(1);

        await gone.CancelAsync();

        await waiting.ReachesAsync(0);
        Assert.That(async () => await poll, Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task A_host_that_waits_for_other_things_too_learns_that_there_are_messages()
    {
        await using var server = await TestHomeserver.StartAsync();
        var alice = server.Login("@alice:hs1", "A1");
        server.Login("@bob:hs1", "B1");

        var wait = server.ToDevice.WaitAsync(s_bobsPhone, null, TimeSpan.FromMilliseconds(LongTime), default).AsTask();
        await alice.SendAsync("t1", "@bob:hs1", "B1");

        Assert.That(await wait, Is.True);
        Assert.That(await server.ToDevice.WaitAsync(s_bobsPhone, null, TimeSpan.Zero, default), Is.True);
        Assert.That(await server.ToDevice.WaitAsync(new DeviceAddress("@bob:hs1", "other"), null, TimeSpan.FromMilliseconds(1), default), Is.False);
    }

    [Test]
    public async Task R52_a_wait_does_not_end_for_messages_that_the_device_says_it_has()
    {
        await using var server = await TestHomeserver.StartAsync();
        var (alice, bob) = (server.Login("@alice:hs1", "A1"), server.Login("@bob:hs1", "B1"));
        await alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""");
        var first = await bob.SyncAsync();

        Assert.That(await server.ToDevice.WaitAsync(s_bobsPhone, first.NextBatch, TimeSpan.Zero, default), Is.False);
        var wait = server.ToDevice.WaitAsync(s_bobsPhone, first.NextBatch, TimeSpan.FromMilliseconds(LongTime), default).AsTask();
        await alice.SendAsync("t2", "@bob:hs1", "B1", """{"n":2}""");

        Assert.That(await wait, Is.True);
        Assert.That((await bob.SyncAsync(first.NextBatch)).Contents, Is.EqualTo(new[] { """{"n":2}""" }));
        Assert.That(
            async () => await server.ToDevice.WaitAsync(s_bobsPhone, "garbage", TimeSpan.Zero, default),
            Throws.TypeOf<ToDeviceErrorException>().With.Property("Error").Property("ErrorCode").EqualTo("M_INVALID_PARAM"));
    }

    /// <summary>A poll on a clock that goes on whenever the poll waits.</summary>
    private static async Task<ToDeviceBatch> PollAsync(IDeviceInbox inbox, TimeSpan timeout, ManualTime time)
    {
        var services = new ServiceCollection();
        services.AddSendToDevice();
        services.AddSingleton(inbox).AddSingleton<TimeProvider>(time);
        await using var host = services.BuildServiceProvider();
        var poll = host.GetRequiredService<ToDeviceSync>().NextAsync(s_bobsPhone, null, timeout, default).AsTask();
        while (!poll.IsCompleted)
        {
            await TimeLimit.OneMoreTurnAsync();
            if (time.HasTimers) time.Advance(TimeSpan.FromMilliseconds(100));
        }

        return await poll;
    }
}
