using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

public class MetricsTests : HttpTests
{
    private const string Duration = "matrix.to_device.send.duration";
    private const string Accepted = "matrix.to_device.accepted";

    private protected override void Configure(ISendToDeviceBuilder builder) => HookedStore.Add(builder);

    [Test]
    public void D17_the_instruments_have_these_names_kinds_and_units()
    {
        using var metrics = CapturedMetrics.Of(Server);

        Assert.That(metrics.Units, Is.EquivalentTo(new Dictionary<string, string>
        {
            [Duration] = "Histogram`1 s",
            [Accepted] = "Counter`1 {message}",
            ["matrix.to_device.recognised_retries"] = "Counter`1 {request}",
            ["matrix.to_device.redelivered"] = "Counter`1 {message}",
            ["matrix.to_device.dropped"] = "Counter`1 {message}",
            ["matrix.to_device.wake_ups"] = "Counter`1 {wake_up}",
            ["matrix.to_device.store.commit.duration"] = "Histogram`1 s",
            ["matrix.to_device.store.errors"] = "Counter`1 {error}",
            ["matrix.to_device.purged"] = "Counter`1 {record}",
            ["matrix.to_device.upkeep.runs"] = "Counter`1 {run}",
            ["matrix.to_device.inbox.messages"] = "ObservableGauge`1 {message}",
            ["matrix.to_device.inbox.non_empty"] = "ObservableGauge`1 {inbox}",
            ["matrix.to_device.inbox.largest"] = "ObservableGauge`1 {message}",
            ["matrix.to_device.inbox.oldest.age"] = "ObservableGauge`1 s",
            ["matrix.to_device.outbox.destinations"] = "ObservableGauge`1 {destination}",
            ["matrix.to_device.outbox.edus"] = "ObservableGauge`1 {edu}",
            ["matrix.to_device.outbox.oldest.age"] = "ObservableGauge`1 s",
            ["matrix.to_device.handed_out"] = "Counter`1 {message}",
            ["matrix.to_device.acknowledged"] = "Counter`1 {message}",
            ["matrix.to_device.ignored"] = "Counter`1 {message}",
            ["matrix.to_device.waiting_syncs"] = "UpDownCounter`1 {request}",
            ["matrix.to_device.federation.received"] = "Counter`1 {edu}",
            ["matrix.to_device.federation.sent"] = "Counter`1 {edu}",
            ["matrix.to_device.federation.given_up"] = "Counter`1 {edu}",
            ["matrix.to_device.federation.transaction.duration"] = "Histogram`1 s",
            ["matrix.to_device.appservice.transaction.duration"] = "Histogram`1 s",
            ["matrix.to_device.appservice.given_up"] = "Counter`1 {entry}",
        }));
    }

    [Test]
    public async Task R22_R41_a_send_is_committed_and_its_retry_is_a_duplicate()
    {
        using var metrics = CapturedMetrics.Of(Server);

        (await Alice.SendAsync("t1", "@bob:hs1", "B1", eventType: "m.room.encrypted")).ShouldBeAccepted();
        (await Alice.SendAsync("t1", "@bob:hs1", "B1", eventType: "m.room.encrypted")).ShouldBeAccepted();

        Assert.That(await OutcomesAsync(metrics, 2), Is.EqualTo(new[]
        {
            "event_type=m.room.encrypted outcome=committed", "event_type=m.room.encrypted outcome=duplicate",
        }));
        Assert.That(metrics[Accepted].Select(accepted => (accepted.Value, accepted.Tags)),
            Is.EqualTo(new[] { (1.0, "event_type=m.room.encrypted") }));
        Assert.That(metrics[Duration].Select(sent => sent.Value), Has.All.Positive.And.All.LessThan(60));
    }

    [Test]
    public async Task R24_each_message_of_a_send_is_counted()
    {
        Server.Login("@bob:hs1", "B2");
        Server.Login("@bob:hs1", "B3");
        using var metrics = CapturedMetrics.Of(Server);

        (await Alice.SendAsync("t1", "@bob:hs1", "*", eventType: "m.dummy")).ShouldBeAccepted();
        (await Alice.SendAsync("t2", "@bob:hs1", "B1", eventType: "m.dummy")).ShouldBeAccepted();
        var first = await Bob.SyncAsync();
        await Bob.SyncAsync();
        await Bob.SyncAsync(first.NextBatch);
        await Bob.SyncAsync(first.NextBatch);

        Assert.That(metrics[Accepted].Sum(accepted => accepted.Value), Is.EqualTo(4));
        Assert.That(metrics["matrix.to_device.handed_out"].Sum(handedOut => handedOut.Value), Is.EqualTo(4));
        Assert.That(metrics["matrix.to_device.acknowledged"].Sum(acknowledged => acknowledged.Value), Is.EqualTo(2));
    }

    [TestCase("{")]
    [TestCase("{}")]
    public async Task D7_a_refused_send_is_counted_as_such(string body)
    {
        using var metrics = CapturedMetrics.Of(Server);

        Assert.That((await Alice.PutAsync("m.room_key", "t1", body)).Status, Is.EqualTo(400));

        Assert.That(await OutcomesAsync(metrics, 1), Is.EqualTo(new[] { "event_type=m.room_key outcome=refused" }));
        Assert.That(metrics[Accepted], Is.Empty);
    }

    [Test]
    public async Task R9_of_a_requester_who_is_refused_nothing_is_told()
    {
        using var metrics = CapturedMetrics.Of(Server);

        (await Server.Login(AuthResult.UnknownToken()).PutAsync("m.room_key", "t1", ToBob())).ShouldBe(401, "M_UNKNOWN_TOKEN");

        Assert.That(await OutcomesAsync(metrics, 1), Is.EqualTo(new[] { "event_type=_OTHER outcome=refused" }));
    }

    [Test]
    public async Task D3_a_send_that_the_store_fails_is_counted_as_unavailable()
    {
        Server.Services.GetRequiredService<HookedStore>().BeforeCommit = () => throw new IOException();
        using var metrics = CapturedMetrics.Of(Server);

        (await Alice.PutAsync("m.secret.send", "t1", ToBob())).ShouldBe(503, "M_UNKNOWN");

        Assert.That(await OutcomesAsync(metrics, 1), Is.EqualTo(new[] { "event_type=m.secret.send outcome=unavailable" }));
    }

    [Test]
    public async Task D3_a_send_whose_client_has_gone_is_counted_as_such()
    {
        using var metrics = CapturedMetrics.Of(Server);
        using (var connection = await RawConnection.OpenAsync(Server.Address))
        {
            await connection.WriteAsync(RawConnection.Put($"{Endpoint}m.key.verification.start/t1", Alice.Token, ToBob())[..^1]);
            connection.Reset();
        }

        Assert.That(await OutcomesAsync(metrics, 1), Is.EqualTo(new[] { "event_type=m.key.verification.start outcome=client_gone" }));
    }

    [TestCase("m.custom")]
    [TestCase("M.ROOM_KEY")]
    [TestCase("_OTHER")]
    [TestCase("%F0%9F%94%91")]
    public async Task R44_an_event_type_that_a_client_made_up_makes_no_new_time_series(string eventType)
    {
        using var metrics = CapturedMetrics.Of(Server);

        (await Alice.PutAsync(eventType, "t1", ToBob())).ShouldBeAccepted();

        Assert.That(await OutcomesAsync(metrics, 1), Is.EqualTo(new[] { "event_type=_OTHER outcome=committed" }));
        Assert.That(metrics[Accepted].Single().Tags, Is.EqualTo("event_type=_OTHER"));
    }

    [Test]
    public async Task R44_the_event_types_of_the_specification_are_told_apart()
    {
        string[] known =
        [
            "m.dummy", "m.forwarded_room_key", "m.key.verification.accept", "m.key.verification.cancel", "m.key.verification.done",
            "m.key.verification.key", "m.key.verification.mac", "m.key.verification.ready", "m.key.verification.request",
            "m.key.verification.start", "m.room.encrypted", "m.room_key", "m.room_key.withheld", "m.room_key_request",
            "m.secret.request", "m.secret.send",
        ];
        using var metrics = CapturedMetrics.Of(Server);

        foreach (var eventType in known) (await Alice.PutAsync(eventType, "t1", ToBob())).ShouldBeAccepted();

        Assert.That(await OutcomesAsync(metrics, known.Length), Is.EqualTo(known.Select(eventType => $"event_type={eventType} outcome=committed")));
    }

    /// <summary>The tags of the sends, once there are as many: a client may have its answer before the measurement.</summary>
    private static async Task<IEnumerable<string>> OutcomesAsync(CapturedMetrics metrics, int count)
    {
        await metrics.ReachAsync(Duration, count);
        return metrics[Duration].Select(sent => sent.Tags);
    }
}
