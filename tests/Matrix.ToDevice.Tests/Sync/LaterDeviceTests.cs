using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// A device is removed while it waits, and a later one of its ID waits too: each gets its own, and not the other's (D6). The earlier
/// one waits in a <c>/sync</c> of the host's own, which need not look at the token again.
/// </summary>
public class LaterDeviceTests
{
    private const int LongTime = 120_000;

    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private WaitingSyncs _waiting = null!;

    private HookedInbox Inbox => _server.Services.GetRequiredService<HookedInbox>();

    [SetUp]
    public async Task StartAsync()
    {
        _server = await TestHomeserver.StartAsync(builder =>
        {
            HookedInbox.Add(builder);
            // Whoever is not woken does not find out by itself.
            builder.Services.Configure<SendToDeviceOptions>(options => options.SyncPollInterval = TimeSpan.FromDays(1));
        });
        _alice = _server.Login("@alice:hs1", "A1");
        _server.Login("@bob:hs1", "B1");
        _waiting = WaitingSyncs.Of(_server.Services);
    }

    [TearDown]
    public async Task StopAsync()
    {
        _waiting.Dispose();
        await _server.DisposeAsync();
    }

    [Test]
    public async Task R57_D6_a_device_waits_for_its_mail_after_an_earlier_one_of_its_ID_was_removed_while_it_waited()
    {
        var earlier = WaitAsync();
        await _waiting.ReachesAsync(1);
        await _server.LogoutAsync("@bob:hs1", "B1");
        Assert.That(await earlier, Is.Zero);

        var later = _server.Login("@bob:hs1", "B1").SyncAsync(timeout: LongTime);
        // Not that the first of the two should ever happen.
        await Task.WhenAny(later, _waiting.ReachesAsync(1));
        await SendAsync();

        Assert.That((await later).Events, Has.Count.EqualTo(1));
    }

    /// <summary>The earlier device's sync is slow to notice its end: it goes when the later one's waits already.</summary>
    [Test]
    public async Task D6_D13_a_removed_device_that_stops_waiting_takes_no_wake_up_from_a_later_one()
    {
        var (reads, go, waits) = (new TaskCompletionSource(), new TaskCompletionSource(), new TaskCompletionSource());
        Inbox.AfterRead = async _ =>
        {
            if (reads.TrySetResult()) await go.Task;
            else waits.TrySetResult();
        };
        var earlier = WaitAsync();
        await reads.Task;
        await _server.LogoutAsync("@bob:hs1", "B1");

        var later = _server.Login("@bob:hs1", "B1").SyncAsync(timeout: LongTime);
        await waits.Task;
        go.SetResult();
        Assert.That(await earlier, Is.Zero);
        await SendAsync();

        Assert.That((await later.WaitAsync(TimeLimit.OfOneWait)).Events, Has.Count.EqualTo(1));
    }

    /// <summary>All of it happens between the earlier device's wake-up and its look at the inbox.</summary>
    [Test]
    public async Task D6_a_waiting_sync_does_not_get_what_is_there_for_a_later_device()
    {
        TestClient later = null!;
        Inbox.BeforeRead = async read =>
        {
            if (read != 1) return;
            await _server.LogoutAsync("@bob:hs1", "B1");
            later = _server.Login("@bob:hs1", "B1");
            await SendAsync();
        };

        Assert.That(await WaitAsync(), Is.Zero);
        Assert.That((await later.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    /// <summary>How many messages Bob's device gets.</summary>
    private async Task<int> WaitAsync()
    {
        using var batch = await _server.ToDevice.NextAsync(
            new DeviceAddress("@bob:hs1", "B1"), null, TimeSpan.FromMilliseconds(LongTime), default);
        return batch.Events.Count;
    }

    private async Task SendAsync() => (await _alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
}
