using System.Text;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests.Limits;

/// <summary>How much one user may send to another one.</summary>
public class RecipientRateTests
{
    private ManualTime _time = null!;
    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private TestClient _bob = null!;
    private TestClient _carol = null!;
    private int _sent;

    [SetUp]
    public async Task StartAsync()
    {
        (_sent, _time) = (0, new ManualTime());
        _server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(_time);
            builder.LimitRates(limits => limits.Recipients = new RateLimit { Burst = 2, PerSecond = 0.01 });
        });
        _alice = _server.Login("@alice:hs1", "A1");
        _bob = _server.Login("@bob:hs1", "B1");
        _carol = _server.Login("@carol:hs1", "C1");
    }

    [TearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [Test]
    public async Task D14_a_flood_stops_its_own_sender_and_nobody_else()
    {
        Assert.That(await SendAsync(_alice, "@bob:hs1"), Is.EqualTo(200));
        Assert.That(await SendAsync(_alice, "@bob:hs1"), Is.EqualTo(200));
        Assert.That(await SendAsync(_alice, "@bob:hs1"), Is.EqualTo(429));

        Assert.That(await SendAsync(_carol, "@bob:hs1"), Is.EqualTo(200), "others reach him");
        Assert.That(await SendAsync(_alice, "@carol:hs1"), Is.EqualTo(200), "she reaches others");
        _time.Advance(TimeSpan.FromSeconds(100));
        Assert.That(await SendAsync(_alice, "@bob:hs1"), Is.EqualTo(200));
        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(4));
    }

    [Test]
    public async Task D14_D4_a_refused_send_reaches_nobody_and_takes_nothing_from_its_other_recipients()
    {
        await SendAsync(_alice, "@bob:hs1");
        await SendAsync(_alice, "@bob:hs1");

        for (var n = 0; n < 5; n++) Assert.That(await SendAsync(_alice, "@bob:hs1", "@carol:hs1"), Is.EqualTo(429));

        Assert.That((await _carol.SyncAsync()).Events, Is.Empty);
        Assert.That(await SendAsync(_alice, "@carol:hs1"), Is.EqualTo(200));
        Assert.That(await SendAsync(_alice, "@carol:hs1"), Is.EqualTo(200));
        Assert.That(await SendAsync(_alice, "@carol:hs1"), Is.EqualTo(429));
    }

    [Test]
    public async Task A_send_is_one_for_a_user_however_many_devices_it_names()
    {
        const string Body = """{"messages":{"@bob:hs1":{"B1":{},"B2":{},"B3":{},"*":{}}}}""";

        Assert.That((await _alice.PutAsync("m.test", "t1", Body)).Status, Is.EqualTo(200));
        Assert.That((await _alice.PutAsync("m.test", "t2", Body)).Status, Is.EqualTo(200));
        Assert.That((await _alice.PutAsync("m.test", "t3", Body)).Status, Is.EqualTo(429));
    }

    [Test]
    public async Task Nobody_is_limited_in_what_they_send_to_their_own_devices()
    {
        for (var n = 0; n < 5; n++) Assert.That(await SendAsync(_alice, "@alice:hs1"), Is.EqualTo(200));
    }

    [TestCase("@nobody:hs1")]
    [TestCase("@somebody:hs2")]
    public async Task R28_the_limit_does_not_tell_who_exists(string userId)
    {
        await SendAsync(_alice, userId);
        await SendAsync(_alice, userId);

        Assert.That(await SendAsync(_alice, userId), Is.EqualTo(429));
    }

    [Test]
    public async Task Whoever_makes_up_users_without_end_does_not_get_new_buckets_by_that()
    {
        await SendAsync(_alice, "@bob:hs1");
        await SendAsync(_alice, "@bob:hs1");

        for (var n = 0; n < 25; n++)
            Assert.That(await SendAsync(_alice, [.. Enumerable.Range(0, 10_000).Select(user => $"@made-up-{n}-{user}:hs1")]), Is.EqualTo(200));

        Assert.That(await SendAsync(_alice, "@bob:hs1"), Is.EqualTo(429));
    }

    [Test]
    public async Task D15_messages_of_another_servers_user_beyond_it_are_dropped_and_told_and_the_others_delivered()
    {
        using var metrics = CapturedMetrics.Of(_server);
        var receiver = _server.Services.GetRequiredService<FederationReceiver>();
        var outcomes = new List<ReceivedEdu>();
        for (var n = 1; n <= 3; n++) outcomes.Add(await ReceiveAsync("@mallory:hs2", """{"@bob:hs1":{"B1":{},"*":{}}}""", $"m{n}"));
        outcomes.Add(await ReceiveAsync("@mallory:hs2", """{"@bob:hs1":{"B1":{}},"@carol:hs1":{"C1":{}}}""", "m4"));
        outcomes.Add(await ReceiveAsync("@dan:hs2", """{"@bob:hs1":{"B1":{}}}""", "m5"));

        Assert.That(outcomes, Has.All.EqualTo(ReceivedEdu.Delivered));
        Assert.That((await _bob.SyncAsync()).Events.Select(message => message.Sender), Is.EqualTo(new[] { "@mallory:hs2", "@mallory:hs2", "@dan:hs2" }));
        Assert.That((await _carol.SyncAsync()).Events, Has.Count.EqualTo(1));
        Assert.That(metrics["matrix.to_device.dropped"].Select(drop => (drop.Value, drop.Tags)), Is.EqualTo(new[] { (2d, "reason=rate"), (1d, "reason=rate") }));
        Assert.That(await ReceiveAsync("@mallory:hs2", """{"@bob:hs1":{"B1":{}}}""", "m3"), Is.EqualTo(ReceivedEdu.Duplicate), "its drop is final");

        ValueTask<ReceivedEdu> ReceiveAsync(string sender, string messages, string id) => receiver.ReceiveAsync(
            "hs2", Encoding.UTF8.GetBytes($$"""{"sender":"{{sender}}","type":"m.test","message_id":"{{id}}","messages":{{messages}}}"""), default);
    }

    private async Task<int> SendAsync(TestClient client, params string[] userIds)
    {
        var users = string.Join(',', userIds.Select(userId => $"\"{userId}\":{{\"*\":{{}}}}"));
        return (await client.PutAsync("m.test", $"t{_sent++}", $"{{\"messages\":{{{users}}}}}")).Status;
    }
}
