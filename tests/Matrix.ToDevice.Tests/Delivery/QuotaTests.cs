using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice.Tests;

/// <summary>How much may wait for a device.</summary>
public class QuotaTests
{
    private CapturedLog _log = null!;
    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private TestClient _bob = null!;
    private TestClient _carol = null!;
    private int _sent;

    [TearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        _log.Dispose();
    }

    [Test]
    public async Task D14_a_send_for_which_there_is_no_room_is_refused_for_all_and_accepted_when_there_is()
    {
        await StartAsync(quota => quota.MaxMessages = 2);
        Assert.That((await SendAsync(), await SendAsync()), Is.EqualTo((200, 200)));

        var refused = await _alice.PutAsync("m.test", "t", """{"messages":{"@carol:hs1":{"*":{}},"@bob:hs1":{"*":{}}}}""");

        refused.ShouldBe(429, "M_LIMIT_EXCEEDED");
        Assert.That(refused.Headers["Retry-After"], Is.EqualTo("60"));
        Assert.That((await _carol.SyncAsync()).Events, Is.Empty, "all or nothing (D4)");
        (await _alice.PutAsync("m.test", "t0", "{\"messages\":{}}")).ShouldBeAccepted();
        await _bob.SyncAsync((await _bob.SyncAsync()).NextBatch);
        (await _alice.PutAsync("m.test", "t", """{"messages":{"@carol:hs1":{"*":{}},"@bob:hs1":{"*":{}}}}""")).ShouldBeAccepted();
        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task D14_a_retry_of_what_was_committed_is_answered_200_also_when_it_was_what_filled_the_inbox()
    {
        await StartAsync(quota => quota.MaxMessages = 1);
        (await _alice.SendAsync("t", "@bob:hs1", "B1")).ShouldBeAccepted();
        (await _alice.SendAsync("t", "@bob:hs1", "B1")).ShouldBeAccepted();
        (await _alice.SendAsync("u", "@bob:hs1", "B1")).ShouldBe(429, "M_LIMIT_EXCEEDED");
    }

    [Test]
    public async Task D11_the_oldest_messages_make_room_and_a_token_that_names_one_of_them_deletes_nothing()
    {
        await StartAsync(quota => (quota.MaxMessages, quota.Policy) = (3, QuotaPolicy.DropOldest));
        using var metrics = CapturedMetrics.Of(_server);
        await SendAsync();
        await SendAsync();
        var old = await _bob.SyncAsync();
        for (var n = 0; n < 4; n++) Assert.That(await SendAsync(), Is.EqualTo(200));

        var got = await _bob.SyncAsync(old.NextBatch);

        Assert.That(Numbers(got), Is.EqualTo(new[] { 4, 5, 6 }));
        Assert.That(metrics["matrix.to_device.dropped"].Sum(drop => drop.Value), Is.EqualTo(3));
        Assert.That(metrics["matrix.to_device.dropped"].Select(drop => drop.Tags).Distinct(), Is.EqualTo(new[] { "reason=quota" }));
        Assert.That(_log.Entries.Count(entry => entry.Id.Id == 60 && entry.Level == LogLevel.Information && entry.Text.Contains("quota", StringComparison.Ordinal)), Is.EqualTo(3));
        // Whose it was is at Debug alone (D17).
        Assert.That(_log.Entries.Where(entry => entry.Level > LogLevel.Debug && entry.Text.Contains("@bob", StringComparison.Ordinal)), Is.Empty);
    }

    [Test]
    public async Task One_full_device_stops_nobody_when_the_oldest_messages_make_room()
    {
        await StartAsync(quota => (quota.MaxMessages, quota.Policy) = (1, QuotaPolicy.DropOldest));
        await SendAsync();

        (await _alice.PutAsync("m.test", "t", """{"messages":{"@carol:hs1":{"*":{"n":7}},"@bob:hs1":{"*":{"n":7}}}}""")).ShouldBeAccepted();

        Assert.That((Numbers(await _carol.SyncAsync()), Numbers(await _bob.SyncAsync())), Is.EqualTo((new[] { 7 }, new[] { 7 })));
    }

    [Test]
    public async Task Bytes_are_bounded_too_and_an_empty_inbox_takes_any_message()
    {
        await StartAsync(quota => (quota.MaxBytes, quota.Policy) = (20, QuotaPolicy.DropOldest));
        var large = $$"""{"n":1,"x":"{{new string('x', 50)}}"}""";
        (await _alice.SendAsync("large", "@bob:hs1", "B1", large)).ShouldBeAccepted();
        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(new[] { large }));

        for (var n = 0; n < 4; n++) await SendAsync();

        // {"n":1} is seven bytes.
        Assert.That(Numbers(await _bob.SyncAsync()), Is.EqualTo(new[] { 3, 4 }));
    }

    [Test]
    public async Task No_message_is_refused_for_ever()
    {
        await StartAsync(quota => quota.MaxBytes = 20);
        var large = $$"""{"n":1,"x":"{{new string('x', 50)}}"}""";

        (await _alice.SendAsync("large", "@bob:hs1", "B1", large)).ShouldBeAccepted();
        (await _alice.SendAsync("larger", "@bob:hs1", "B1", large)).ShouldBe(429, "M_LIMIT_EXCEEDED");
        await _bob.SyncAsync((await _bob.SyncAsync()).NextBatch);
        (await _alice.SendAsync("larger", "@bob:hs1", "B1", large)).ShouldBeAccepted();
    }

    [Test]
    public async Task An_inbox_that_is_far_above_a_new_quota_is_brought_down_bit_by_bit()
    {
        await StartAsync(_ => { });
        for (var n = 0; n < 250; n++) await SendAsync();
        var quota = _server.Services.GetRequiredService<IOptions<SendToDeviceOptions>>().Value.Quota;
        (quota.MaxMessages, quota.Policy) = (10, QuotaPolicy.DropOldest);

        for (var n = 0; n < 3; n++) await SendAsync();

        Assert.That(Numbers(await _bob.SyncAsync()), Is.EqualTo(Enumerable.Range(244, 10)));
    }

    [Test]
    public async Task D15_an_EDU_is_delivered_to_all_but_the_full_device_and_not_held_up_by_it()
    {
        await StartAsync(quota => quota.MaxMessages = 1);
        using var metrics = CapturedMetrics.Of(_server);
        await SendAsync();

        var received = await _server.Services.GetRequiredService<FederationReceiver>().ReceiveAsync(
            "hs2", """{"sender":"@dan:hs2","type":"m.test","message_id":"m1","messages":{"@bob:hs1":{"B1":{}},"@carol:hs1":{"C1":{}}}}"""u8.ToArray(), default);

        Assert.That(received, Is.EqualTo(ReceivedEdu.Delivered));
        Assert.That((await _carol.SyncAsync()).Events, Has.Count.EqualTo(1));
        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(1));
        Assert.That(metrics["matrix.to_device.dropped"].Select(drop => (drop.Value, drop.Tags)), Is.EqualTo(new[] { (1d, "reason=quota") }));
    }

    private async Task StartAsync(Action<QuotaOptions> quota)
    {
        (_sent, _log) = (0, new CapturedLog());
        _server = await TestHomeserver.StartAsync(builder =>
        {
            _log.AddTo(builder, LogLevel.Debug);
            builder.Services.Configure<SendToDeviceOptions>(options => quota(options.Quota));
        });
        _alice = _server.Login("@alice:hs1", "A1");
        _bob = _server.Login("@bob:hs1", "B1");
        _carol = _server.Login("@carol:hs1", "C1");
    }

    private async Task<int> SendAsync() => (await _alice.SendAsync($"t{++_sent}", "@bob:hs1", "B1", $$"""{"n":{{_sent}}}""")).Status;

    private static int[] Numbers(TestSync sync) =>
        [.. sync.Contents.Select(content => (int)System.Text.Json.Nodes.JsonNode.Parse(content)!["n"]!)];
}
