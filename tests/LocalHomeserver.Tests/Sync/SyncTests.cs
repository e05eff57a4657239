using System.Text.Json;

namespace LocalHomeserver.Tests;

internal sealed class SyncTests(string store) : HomeserverTests(store)
{
    private TestDevice _sender = null!;
    private TestDevice _phone = null!;

    [SetUp]
    public async Task Register()
    {
        _sender = await Server.RegisterAsync();
        _phone = await Server.RegisterAsync("PHONE");
    }

    [Test]
    public async Task R30_R54_a_message_arrives_with_content_sender_and_type()
    {
        await _sender.SendAsync(_phone, "hello");

        var events = (await _phone.SyncAsync()).Body.GetProperty("to_device").GetProperty("events");

        Assert.That(events.GetArrayLength(), Is.EqualTo(1));
        Assert.That(events[0].EnumerateObject().Select(property => property.Name), Is.EquivalentTo(new[] { "content", "sender", "type" }));
        Assert.That(events[0].String("sender"), Is.EqualTo(_sender.UserId));
        Assert.That(events[0].String("type"), Is.EqualTo("m.test"));
    }

    [Test]
    public async Task A_sync_without_messages_has_what_clients_expect()
    {
        var reply = await _phone.TrySyncAsync();
        var body = reply.Ok();

        Assert.That(reply.Headers["Content-Type"], Is.EqualTo("application/json"));
        Assert.That(body.String("next_batch"), Is.Not.Empty);
        Assert.That(body.Has("to_device"), Is.False);
        Assert.That(body.GetProperty("device_lists").GetProperty("changed").GetArrayLength(), Is.Zero);
        Assert.That(body.GetProperty("device_one_time_keys_count").ValueKind, Is.EqualTo(JsonValueKind.Object));
        Assert.That(body.GetProperty("rooms").GetProperty("join").EnumerateObject(), Is.Empty);
    }

    [Test]
    public async Task R24_R25_a_wildcard_reaches_every_device_of_the_user_the_senders_own_too()
    {
        var laptop = await Server.LoginAsync(_phone.UserId);
        (await _phone.TrySendAsync(_phone.UserId, "*", "to all")).Ok();
        var later = await Server.LoginAsync(_phone.UserId);

        Assert.That((await _phone.SyncAsync()).Texts, Is.EqualTo(new[] { "to all" }));
        Assert.That((await laptop.SyncAsync()).Texts, Is.EqualTo(new[] { "to all" }));
        Assert.That((await later.SyncAsync()).Texts, Is.Empty);
        Assert.That((await _sender.SyncAsync()).Texts, Is.Empty);
    }

    [Test]
    public async Task R55_R56_without_since_and_with_the_same_since_the_messages_come_again()
    {
        var start = (await _phone.SyncAsync()).NextBatch;
        await _sender.SendAsync(_phone, "one");

        Assert.That((await _phone.SyncAsync(start)).Texts, Is.EqualTo(new[] { "one" }));
        await _sender.SendAsync(_phone, "two");
        Assert.That((await _phone.SyncAsync(start)).Texts, Is.EqualTo(new[] { "one", "two" }));
        Assert.That((await _phone.SyncAsync()).Texts, Is.EqualTo(new[] { "one", "two" }));
    }

    [Test]
    public async Task R52_D18_the_next_batch_acknowledges_what_came_with_it_and_nothing_later()
    {
        var start = await _phone.SyncAsync();
        await _sender.SendAsync(_phone, "one");
        var first = await _phone.SyncAsync(start.NextBatch);
        await _sender.SendAsync(_phone, "two");

        var second = await _phone.SyncAsync(first.NextBatch);

        Assert.That(second.Texts, Is.EqualTo(new[] { "two" }));
        Assert.That(new[] { start.NextBatch, first.NextBatch, second.NextBatch }, Is.Unique);
        Assert.That((await _phone.SyncAsync()).Texts, Is.EqualTo(new[] { "two" }));
    }

    [Test]
    public async Task R53_R58_a_response_holds_100_messages_and_the_next_one_comes_at_once()
    {
        for (var i = 0; i < 101; i++) await _sender.SendAsync(_phone, $"{i}");

        var first = await _phone.SyncAsync();
        var second = await _phone.SyncAsync(first.NextBatch, timeout: 600_000);

        Assert.That(first.Texts, Is.EqualTo(Enumerable.Range(0, 100).Select(i => $"{i}")));
        Assert.That(second.Texts, Is.EqualTo(new[] { "100" }));
    }

    /// <summary>Canonical JSON has one byte where these contents have an escape of six: that is how large a content can be.</summary>
    [Test]
    public async Task D19_D13_a_response_of_large_contents_ends_at_1_MiB_and_the_next_one_comes_at_once()
    {
        var texts = Enumerable.Range(0, 5).Select(i => $"{i}{new string('<', 65_000)}").ToArray();
        foreach (var text in texts) await _sender.SendAsync(_phone, text);

        var first = await _phone.TrySyncAsync();
        var second = await _phone.SyncAsync(Next(first), timeout: 600_000);
        var third = await _phone.SyncAsync(second.NextBatch, timeout: 600_000);

        Assert.That(first.Text.Length, Is.InRange(2 * 6 * 65_000, 1 << 20));
        Assert.That(Sync.Of(first.Ok()).Texts, Is.EqualTo(texts[..2]));
        Assert.That(second.Texts, Is.EqualTo(texts[2..4]));
        Assert.That(third.Texts, Is.EqualTo(texts[4..]));

        static string Next(Reply reply) => Sync.Of(reply.Ok()).NextBatch;
    }

    [Test]
    public async Task R57_a_message_ends_a_long_poll()
    {
        using var waiting = new WaitingSyncs(Server);
        var since = (await _phone.SyncAsync()).NextBatch;
        for (var i = 0; i < 5; i++)
        {
            var poll = _phone.SyncAsync(since, timeout: 600_000);
            await waiting.NextAsync();
            await _sender.SendAsync(_phone, $"{i}");

            var woken = await poll;

            Assert.That(woken.Texts, Is.EqualTo(new[] { $"{i}" }));
            since = woken.NextBatch;
        }
    }

    [Test]
    public async Task A_poll_that_nothing_ends_is_answered_when_its_time_is_up()
    {
        using var waiting = new WaitingSyncs(Server);
        var start = (await _phone.SyncAsync()).NextBatch;

        var poll = _phone.SyncAsync(start, timeout: 50);
        await waiting.NextAsync();

        Assert.That((await poll).Texts, Is.Empty);
    }

    [Test]
    public async Task A_first_sync_and_one_for_the_full_state_do_not_wait()
    {
        var first = await _phone.SyncAsync(timeout: 600_000);
        await _phone.SyncAsync(first.NextBatch, timeout: 600_000, extra: "&full_state=true");
    }

    [Test]
    public async Task A_server_that_stops_ends_its_long_polls()
    {
        await using var server = await Homeserver.StartAsync(Store);
        using var waiting = new WaitingSyncs(server);
        var device = await server.RegisterAsync();
        var poll = device.SyncAsync((await device.SyncAsync()).NextBatch, timeout: 600_000);
        await waiting.NextAsync();

        await server.StopAsync();

        Assert.That((await poll).Texts, Is.Empty);
    }

    [Test]
    public async Task R59_no_filter_hides_a_message()
    {
        await _sender.SendAsync(_phone, "seen");
        var nothing = """{"event_fields":[],"room":{"rooms":[]},"presence":{"types":[]},"to_device":{"types":[]}}""";
        var filterId = (await _phone.CallAsync("POST", $"/user/{_phone.UserId}/filter", nothing)).Ok().String("filter_id");

        Assert.That((await _phone.SyncAsync(extra: $"&filter={Uri.EscapeDataString(nothing)}")).Texts, Is.EqualTo(new[] { "seen" }));
        Assert.That((await _phone.SyncAsync(extra: $"&filter={filterId}")).Texts, Is.EqualTo(new[] { "seen" }));
    }

    [TestCase("&filter=unknown")]
    [TestCase("&filter=")]
    [TestCase("&filter=%7Bnot%20JSON")]
    [TestCase("&full_state=perhaps")]
    public async Task What_the_query_says_wrongly_is_an_error(string query) =>
        (await _phone.TrySyncAsync(extra: query)).IsError(400, "M_INVALID_PARAM");

    [TestCase("-1")]
    [TestCase("1.5")]
    [TestCase("soon")]
    [TestCase("")]
    [TestCase("99999999999999999999")]
    public async Task A_timeout_is_a_number_of_milliseconds(string timeout) =>
        (await _phone.CallAsync("GET", $"/sync?timeout={timeout}")).IsError(400, "M_INVALID_PARAM");

    [Test]
    public async Task The_longest_timeout_and_any_presence_are_accepted()
    {
        var start = (await _phone.SyncAsync(extra: "&set_presence=offline&full_state=false")).NextBatch;
        await _sender.SendAsync(_phone, "hello");
        (await _phone.CallAsync("GET", $"/sync?since={start}&timeout={long.MaxValue}&set_presence=unavailable")).Ok();
    }

    [TestCase("garbage")]
    [TestCase("t")]
    [TestCase("%00")]
    [TestCase("%F0%9F%99%82")]
    public async Task D11_garbage_as_since_is_an_error_and_deletes_nothing(string since)
    {
        await _sender.SendAsync(_phone, "kept");
        (await _phone.TrySyncAsync(since)).IsError(400, "M_INVALID_PARAM");
        Assert.That((await _phone.SyncAsync()).Texts, Is.EqualTo(new[] { "kept" }));
    }

    [Test]
    public async Task D11_another_devices_token_is_an_error_and_deletes_nothing()
    {
        var laptop = await Server.LoginAsync(_phone.UserId);
        await _sender.SendAsync(_phone, "kept");
        await _sender.SendAsync(laptop, "kept");
        var foreign = (await laptop.SyncAsync()).NextBatch;

        (await _phone.TrySyncAsync(foreign)).IsError(400, "M_INVALID_PARAM");
        Assert.That((await _phone.SyncAsync()).Texts, Is.EqualTo(new[] { "kept" }));
    }

    [Test]
    public async Task D1_a_retry_under_another_prefix_is_a_duplicate_and_both_prefixes_sync()
    {
        var messages = TestDevice.Messages(_phone.UserId, "PHONE", "once");
        foreach (var version in new[] { "v3", "r0", "unstable" })
            (await Server.SendAsync("PUT", $"/_matrix/client/{version}/sendToDevice/m.test/1", messages, _sender.Token)).Ok();

        var sync = await Server.SendAsync("GET", $"/_matrix/client/r0/sync?access_token={_phone.Token}");
        Assert.That(Sync.Of(sync.Ok()).Texts, Is.EqualTo(new[] { "once" }));
    }
}
