using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests.Limits;

/// <summary>What a quota asks of the store, how old messages make room, and what fails.</summary>
public class QuotaCallTests
{
    private TestTime _time = null!;
    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private TestClient _bob = null!;
    private int _sent;

    [TearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [Test]
    public async Task Without_a_quota_nothing_is_measured()
    {
        await StartAsync(_ => { });
        for (var n = 0; n < 5; n++) await SendAsync();

        Assert.That(UpkeepStore.Of(_server).Measured, Is.Zero);
        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(5));
    }

    [Test]
    public async Task A_send_is_measured_once_however_many_devices_it_reaches()
    {
        await StartAsync(quota => quota.MaxMessages = 10);

        (await _alice.PutAsync("m.test", "t", """{"messages":{"@carol:hs1":{"*":{}},"@bob:hs1":{"*":{}},"@alice:hs1":{"*":{}}}}""")).ShouldBeAccepted();

        Assert.That(UpkeepStore.Of(_server).Measured, Is.EqualTo(1));
    }

    [TestCase(10, null, 110, 0)]
    [TestCase(null, 10, long.MaxValue, 1048586)]
    public async Task Only_what_is_limited_is_counted(long? maxMessages, long? maxBytes, long messages, long bytes)
    {
        await StartAsync(quota => (quota.MaxMessages, quota.MaxBytes) = (maxMessages, maxBytes));
        await SendAsync();

        Assert.That(UpkeepStore.Of(_server).UpTo, Is.EqualTo(new InboxSize(messages, bytes)));
    }

    [Test]
    public async Task Only_messages_of_that_age_make_room_and_without_them_a_send_is_refused()
    {
        await StartAsync(quota => (quota.MaxMessages, quota.Policy, quota.MaxAge) = (3, QuotaPolicy.DropOld, TimeSpan.FromDays(1)));
        await SendAsync();
        await SendAsync();
        _time.Advance(TimeSpan.FromHours(20));
        Assert.That((await SendAsync(), await SendAsync()), Is.EqualTo((200, 429)));
        _time.Advance(TimeSpan.FromHours(5));

        Assert.That((await SendAsync(), await SendAsync(), await SendAsync()), Is.EqualTo((200, 200, 429)));

        Assert.That(Numbers(await _bob.SyncAsync()), Is.EqualTo(new[] { 3, 5, 6 }));
    }

    [Test]
    public async Task A_send_that_is_refused_because_nothing_is_old_enough_reads_one_message_of_a_full_inbox()
    {
        await StartAsync(
            quota => (quota.MaxMessages, quota.Policy, quota.MaxAge) = (3, QuotaPolicy.DropOld, TimeSpan.FromDays(1)), HookedInbox.Add);
        for (var n = 0; n < 3; n++) await SendAsync();

        Assert.That(await SendAsync(), Is.EqualTo(429));

        Assert.That(_server.Services.GetRequiredService<HookedInbox>().Asked, Is.EqualTo(new[] { (1, 1) }));
    }

    [Test]
    public async Task D3_what_fails_behind_the_commit_fails_no_send_and_is_made_up_for_by_the_next_one()
    {
        await StartAsync(quota => (quota.MaxMessages, quota.Policy) = (1, QuotaPolicy.DropOldest));
        UpkeepStore.Of(_server).BeforeMeasure = call =>
        {
            if (call == 3) throw new TimeoutException("The database has gone.");
        };
        await SendAsync();

        Assert.That(await SendAsync(), Is.EqualTo(200));
        Assert.That(Numbers(await _bob.SyncAsync()), Is.EqualTo(new[] { 1, 2 }));
        Assert.That(await SendAsync(), Is.EqualTo(200));

        Assert.That(Numbers(await _bob.SyncAsync()), Is.EqualTo(new[] { 3 }));
    }

    /// <summary>Between the measurement and the look at the oldest messages: what was too much is gone, and others are the oldest by now.</summary>
    [Test]
    public async Task D11_what_came_after_the_device_had_taken_what_was_too_much_is_not_dropped()
    {
        await StartAsync(quota => (quota.MaxMessages, quota.Policy) = (2, QuotaPolicy.DropOldest), HookedInbox.Add);
        var carol = _server.Login("@carol:hs1", "C2");
        await SendAsync();
        await SendAsync();
        var got = await _bob.SyncAsync();
        var inbox = _server.Services.GetRequiredService<HookedInbox>();
        inbox.BeforeRead = async _ =>
        {
            inbox.BeforeRead = _ => Task.CompletedTask;
            await _bob.SyncAsync(got.NextBatch);
            (await carol.SendAsync("c", "@bob:hs1", "B1", """{"n":4}""")).ShouldBeAccepted();
        };

        Assert.That(await SendAsync(), Is.EqualTo(200));

        Assert.That(Numbers(await _bob.SyncAsync(got.NextBatch)), Is.EqualTo(new[] { 3, 4 }));
    }

    [Test]
    public async Task D3_a_store_that_cannot_measure_is_503_and_nothing_is_done()
    {
        await StartAsync(quota => quota.MaxMessages = 1);
        UpkeepStore.Of(_server).BeforeMeasure = _ => throw new TimeoutException("The database has gone.");

        Assert.That(await SendAsync(), Is.EqualTo(503));

        Assert.That((await _bob.SyncAsync()).Events, Is.Empty);
    }

    [Test]
    public async Task Many_sends_at_once_go_above_it_by_no_more_than_there_are_at_once()
    {
        await StartAsync(quota => quota.MaxMessages = 5);

        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(n => _alice.SendAsync($"many{n}", "@bob:hs1", "B1")));

        Assert.That(answers.Select(answer => answer.Status).Distinct(), Is.SubsetOf(new[] { 200, 429 }));
        // Four of a sender are with the store at once.
        Assert.That((await _bob.SyncAsync()).Events, Has.Count.InRange(5, 8));
    }

    private async Task StartAsync(Action<QuotaOptions> quota, Action<ISendToDeviceBuilder>? configure = null)
    {
        (_sent, _time) = (0, new TestTime());
        _server = await TestHomeserver.StartAsync(builder =>
        {
            UpkeepStore.Add(builder);
            configure?.Invoke(builder);
            builder.Services.AddSingleton<TimeProvider>(_time);
            builder.Services.Configure<SendToDeviceOptions>(options => quota(options.Quota));
        });
        _alice = _server.Login("@alice:hs1", "A1");
        _bob = _server.Login("@bob:hs1", "B1");
        _server.Login("@carol:hs1", "C1");
    }

    private async Task<int> SendAsync() => (await _alice.SendAsync($"t{++_sent}", "@bob:hs1", "B1", $$"""{"n":{{_sent}}}""")).Status;

    private static int[] Numbers(TestSync sync) =>
        [.. sync.Contents.Select(content => (int)System.Text.Json.Nodes.JsonNode.Parse(content)!["n"]!)];
}
