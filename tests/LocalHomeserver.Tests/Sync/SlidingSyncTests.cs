using System.Net;
using System.Text;
using System.Text.Json;

namespace LocalHomeserver.Tests;

/// <summary>The sliding sync under its path of the experiment and under that of the specification: each test takes both.</summary>
internal sealed class SlidingSyncTests(string store) : HomeserverTests(store)
{
    private const int LongTime = 600_000;

    private TestDevice _sender = null!, _phone = null!;

    private static IEnumerable<SlidingPath> Paths => SlidingPath.Both;

    [SetUp]
    public async Task Register()
    {
        _sender = await Server.RegisterAsync();
        _phone = await Server.RegisterAsync("PHONE");
    }

    [Test]
    public async Task R126_both_paths_are_announced()
    {
        var features = (await Server.SendAsync("GET", "/_matrix/client/versions")).Ok().GetProperty("unstable_features");

        Assert.That(
            features.EnumerateObject().Where(feature => feature.Value.GetBoolean()).Select(feature => feature.Name),
            Is.SupersetOf(new[] { "org.matrix.simplified_msc3575", "org.matrix.msc4538", "org.matrix.msc4543" }));
    }

    [TestCaseSource(nameof(Paths))]
    public async Task R121_a_response_has_what_clients_expect(SlidingPath path)
    {
        await _sender.SendAsync(_phone, "hello");
        var body = new Dictionary<string, object>
        {
            ["txn_id"] = "a\u00e9\ud83d\ude00",
            ["conn_id"] = "main",
            ["set_presence"] = "offline",
            ["lists"] = new Dictionary<string, object> { ["all"] = new { ranges = new[] { new[] { 0, 20 } }, timeline_limit = 1 }, ["b"] = new { } },
            ["room_subscriptions"] = new Dictionary<string, object> { ["!a:hs1.localhost"] = new { timeline_limit = 1 } },
            ["extensions"] = new Dictionary<string, object> { [path.ToDevice] = new { enabled = true }, [path.Keys] = new { enabled = true } },
        };

        var reply = await Server.SendAsync("POST", path.Path, body, _phone.Token);
        var json = reply.Ok();

        Assert.That(reply.Headers["Content-Type"], Is.EqualTo("application/json"));
        Assert.That(json.EnumerateObject().Select(member => member.Name), Is.EquivalentTo(new[] { "pos", "txn_id", "lists", "rooms", "extensions" }));
        Assert.That(json.String("txn_id"), Is.EqualTo("a\u00e9\ud83d\ude00"));
        Assert.That(json.GetProperty("lists").GetRawText(), Is.EqualTo("""{"all":{"count":0},"b":{"count":0}}"""));
        Assert.That(json.GetProperty("rooms").EnumerateObject(), Is.Empty);
        var section = json.GetProperty("extensions").GetProperty(path.ToDevice);
        Assert.That(section.EnumerateObject().Select(member => member.Name), Is.EqualTo(new[] { "next_batch", "events" }));
        Assert.That(section.GetProperty("events")[0].EnumerateObject().Select(member => member.Name), Is.EquivalentTo(new[] { "sender", "type", "content" }));
        Assert.That(section.GetProperty("events")[0].String("sender"), Is.EqualTo(_sender.UserId));
        Assert.That(
            json.GetProperty("extensions").GetProperty(path.Keys).EnumerateObject().Select(member => member.Name),
            Is.EquivalentTo(new[] { "device_one_time_keys_count", "device_unused_fallback_key_types" }), "and no device_lists without a pos");
    }

    [TestCaseSource(nameof(Paths))]
    public async Task R126_under_the_other_paths_names_an_extension_is_one_that_nobody_knows(SlidingPath path)
    {
        await _sender.SendAsync(_phone, "kept");
        var other = path == SlidingPath.Accepted ? SlidingPath.Experimental : SlidingPath.Accepted;
        var extensions = new Dictionary<string, object> { [other.ToDevice] = new { enabled = true, limit = 0 }, [other.Keys] = new { enabled = true }, ["typing"] = 5 };

        var json = (await Server.SendAsync("POST", path.Path, new { extensions }, _phone.Token)).Ok();

        Assert.That(json.GetProperty("extensions").EnumerateObject(), Is.Empty);
        Assert.That((await _phone.SyncAsync()).Texts, Is.EqualTo(new[] { "kept" }));
    }

    [TestCaseSource(nameof(Paths))]
    public async Task R121_without_messages_the_section_is_left_out_and_without_extensions_all_is(SlidingPath path)
    {
        var client = new SlidingClient(Server, _phone, path);
        Assert.That((await client.SyncAsync()).ToDevice, Is.Null);
        foreach (var body in new[] { "{}", """{"extensions":{}}""", """{"extensions":null,"lists":null,"conn_id":null,"pos":null,"timeout":null}""" })
        {
            var json = (await Server.SendAsync("POST", path.Path, body, _phone.Token)).Ok();
            Assert.That(json.GetProperty("extensions").EnumerateObject(), Is.Empty);
            Assert.That(json.Has("txn_id"), Is.False);
        }
    }

    [TestCaseSource(nameof(Paths))]
    public async Task R123_each_message_comes_until_its_response_is_acknowledged_and_not_after_that(SlidingPath path)
    {
        var client = new SlidingClient(Server, _phone, path);
        await _sender.SendAsync(_phone, "one");

        Assert.That((await client.AskAsync()).Texts, Is.EqualTo(new[] { "one" }));
        await _sender.SendAsync(_phone, "two");
        Assert.That((await client.SyncAsync()).Texts, Is.EqualTo(new[] { "one", "two" }), "the answer was lost");
        await _sender.SendAsync(_phone, "three");
        Assert.That((await client.AskAsync()).Texts, Is.EqualTo(new[] { "three" }));
        Assert.That((await client.SyncAsync()).Texts, Is.EqualTo(new[] { "three" }), "and lost again");
        Assert.That((await client.SyncAsync()).Texts, Is.Empty);
        Assert.That((await new SlidingClient(Server, _phone, path).SyncAsync()).Texts, Is.Empty, "they are deleted");
    }

    [TestCaseSource(nameof(Paths))]
    public async Task R122_the_token_outlives_its_connection(SlidingPath path)
    {
        var client = new SlidingClient(Server, _phone, path, "one");
        await _sender.SendAsync(_phone, "one");
        await client.SyncAsync();
        await _sender.SendAsync(_phone, "two");

        var other = new SlidingClient(Server, _phone, path, "two") { Since = client.Since };

        Assert.That((await other.SyncAsync()).Texts, Is.EqualTo(new[] { "two" }));
    }

    [TestCaseSource(nameof(Paths))]
    public async Task R120_R124_a_cut_queue_is_drained_at_once(SlidingPath path)
    {
        var client = new SlidingClient(Server, _phone, path);
        await client.SyncAsync();
        for (var n = 0; n < 5; n++) await _sender.SendAsync(_phone, $"{n}");

        var texts = new List<string>();
        for (var n = 0; n < 3; n++) texts.AddRange((await client.SyncAsync(LongTime, limit: 2)).Texts);

        Assert.That(texts, Is.EqualTo(new[] { "0", "1", "2", "3", "4" }));
    }

    [TestCaseSource(nameof(Paths))]
    public async Task R124_a_message_ends_a_long_poll(SlidingPath path)
    {
        using var waiting = new WaitingSyncs(Server);
        var client = new SlidingClient(Server, _phone, path);
        await client.SyncAsync();
        for (var n = 0; n < 3; n++)
        {
            var poll = client.SyncAsync(LongTime);
            await waiting.NextAsync();
            await _sender.SendAsync(_phone, $"{n}");

            Assert.That((await poll).Texts, Is.EqualTo(new[] { $"{n}" }));
        }
    }

    [TestCaseSource(nameof(Paths))]
    public async Task R124_what_is_not_enabled_ends_no_long_poll(SlidingPath path)
    {
        using var waiting = new WaitingSyncs(Server);
        var client = new SlidingClient(Server, _phone, path) { WantsKeys = false };
        await client.SyncAsync();
        var other = new SlidingClient(Server, _phone, path, "keys") { WantsMessages = false };
        await other.SyncAsync();
        var polls = (Messages: client.SyncAsync(LongTime), Keys: other.SyncAsync(LongTime));
        await waiting.NextAsync();
        await waiting.NextAsync();

        await _phone.UploadOneTimeKeysAsync("A");
        var keys = await polls.Keys;
        await _sender.SendAsync(_phone, "hello");
        var messages = await polls.Messages;

        Assert.That((keys.Count, keys.ToDevice), Is.EqualTo((1, (JsonElement?)null)));
        Assert.That((messages.Texts.Single(), messages.Keys), Is.EqualTo(("hello", (JsonElement?)null)));
    }

    [TestCaseSource(nameof(Paths))]
    public async Task A_poll_that_nothing_ends_is_answered_when_its_time_is_up(SlidingPath path)
    {
        using var waiting = new WaitingSyncs(Server);
        var client = new SlidingClient(Server, _phone, path);
        await client.SyncAsync(LongTime);

        var poll = client.SyncAsync(timeout: 50);
        await waiting.NextAsync();

        Assert.That((await poll).Texts, Is.Empty);
    }

    [TestCaseSource(nameof(Paths))]
    public async Task D6_a_logout_ends_a_long_poll(SlidingPath path)
    {
        using var waiting = new WaitingSyncs(Server);
        var client = new SlidingClient(Server, _phone, path) { WantsMessages = false };
        await client.SyncAsync();
        var poll = client.TryAsync(LongTime);
        await waiting.NextAsync();

        await _phone.LogoutAsync();

        (await poll).IsError(401, "M_UNKNOWN_TOKEN");
    }

    /// <summary>The token was good when the request began; its body takes as long as its sender likes.</summary>
    [TestCaseSource(nameof(Paths))]
    public async Task D6_a_request_from_before_a_logout_gets_no_mail_of_a_later_device(SlidingPath path)
    {
        using var http = new HttpClient(new SocketsHttpHandler { Expect100ContinueTimeout = TimeSpan.FromMinutes(1) });
        using var request = new HttpRequestMessage(HttpMethod.Post, Server.Url + path.Path);
        request.Headers.Authorization = new("Bearer", _phone.Token);
        request.Headers.ExpectContinue = true;
        TestDevice later = null!;
        request.Content = new LateContent($$"""{"extensions":{"{{path.ToDevice}}":{"enabled":true } } }""", async () =>
        {
            await _phone.LogoutAsync();
            later = await Server.LoginAsync(_phone.UserId, "PHONE");
            await _sender.SendAsync(later, "for the later one");
        });

        using var response = await http.SendAsync(request);

        (await Reply.ReadAsync(response)).IsError(401, "M_UNKNOWN_TOKEN");
        Assert.That((await later.SyncAsync()).Texts, Is.EqualTo(new[] { "for the later one" }));
    }

    [TestCaseSource(nameof(Paths))]
    public async Task A_server_that_stops_ends_its_long_polls(SlidingPath path)
    {
        await using var server = await Homeserver.StartAsync(Store);
        using var waiting = new WaitingSyncs(server);
        var client = new SlidingClient(server, await server.RegisterAsync(), path);
        await client.SyncAsync();
        var poll = client.SyncAsync(LongTime);
        await waiting.NextAsync();

        await server.StopAsync();

        Assert.That((await poll).Texts, Is.Empty);
    }

    [TestCaseSource(nameof(Paths))]
    public async Task R125_sync_and_sliding_sync_read_one_queue(SlidingPath path)
    {
        var client = new SlidingClient(Server, _phone, path);
        await _sender.SendAsync(_phone, "one");
        var first = await _phone.SyncAsync();
        Assert.That((await client.SyncAsync()).Texts, Is.EqualTo(new[] { "one" }));
        await client.SyncAsync();
        await _sender.SendAsync(_phone, "two");

        var second = await _phone.SyncAsync(first.NextBatch);
        Assert.That(second.Texts, Is.EqualTo(new[] { "two" }), "the sliding sync has acknowledged the first one");
        await _phone.SyncAsync(second.NextBatch);
        await _sender.SendAsync(_phone, "three");

        Assert.That((await client.SyncAsync()).Texts, Is.EqualTo(new[] { "three" }), "the sync has acknowledged the second one");
    }

    [TestCase("garbage")]
    [TestCase("t")]
    [TestCase("\0")]
    public async Task R122_a_since_that_was_not_issued_is_an_error_and_deletes_nothing(string since)
    {
        await _sender.SendAsync(_phone, "kept");
        foreach (var path in Paths) (await new SlidingClient(Server, _phone, path) { Since = since }.TryAsync()).IsError(400, "M_INVALID_PARAM");

        Assert.That((await _phone.SyncAsync()).Texts, Is.EqualTo(new[] { "kept" }));
    }

    [TestCaseSource(nameof(Paths))]
    public async Task R122_a_since_of_another_device_is_an_error_and_deletes_nothing(SlidingPath path)
    {
        var laptop = await Server.LoginAsync(_phone.UserId);
        await _sender.SendAsync(_phone, "kept");
        await _sender.SendAsync(laptop, "other");
        var foreign = new SlidingClient(Server, laptop, path);
        await foreign.SyncAsync();

        (await new SlidingClient(Server, _phone, path) { Since = foreign.Since }.TryAsync()).IsError(400, "M_INVALID_PARAM");
        Assert.That((await _phone.SyncAsync()).Texts, Is.EqualTo(new[] { "kept" }));
    }

    [TestCaseSource(nameof(Paths))]
    public async Task R127_a_pos_is_known_to_its_device_and_its_connection_only(SlidingPath path)
    {
        var laptop = await Server.LoginAsync(_phone.UserId);
        var client = new SlidingClient(Server, _phone, path, "one");
        await client.SyncAsync();
        await client.SyncAsync();
        var pos = client.Pos;
        await _sender.SendAsync(_phone, "kept");

        foreach (var foreign in new[] { new(Server, laptop, path, "one"), new(Server, _sender, path, "one"), new(Server, _phone, path, "two"), new SlidingClient(Server, _phone, path) })
        {
            foreign.Pos = pos;
            (await foreign.TryAsync()).IsError(400, "M_UNKNOWN_POS");
        }

        Assert.That((await client.SyncAsync()).Texts, Is.EqualTo(new[] { "kept" }));
        Assert.That(client.Pos, Is.Not.EqualTo(pos), "each response has its own");
    }

    [TestCase("")]
    [TestCase(".")]
    [TestCase("s")]
    [TestCase("s.1")]
    [TestCase("0")]
    [TestCase("s________________________")]
    [TestCase("sAAAAAAAAAAAAAAAAAAAAAA.1")]
    [TestCase("s\u00e9\ud83d\ude00.1")]
    [TestCase("s!AAAAAAAAAAAAAAAAAAAAA.1")]
    [TestCase("\0")]
    public async Task R127_a_pos_that_was_not_issued_is_unknown(string pos)
    {
        foreach (var path in Paths) (await new SlidingClient(Server, _phone, path) { Pos = pos }.TryAsync()).IsError(400, "M_UNKNOWN_POS");
    }

    [TestCase("")]
    [TestCase(".")]
    [TestCase(".x")]
    [TestCase(".-1")]
    [TestCase(".99999999999999999999")]
    [TestCase("AA.1")]
    public async Task R127_a_pos_that_was_changed_is_unknown(string end)
    {
        foreach (var path in Paths)
        {
            var client = new SlidingClient(Server, _phone, path);
            await client.SyncAsync();
            client.Pos = client.Pos!.Split('.')[0] + end;
            (await client.TryAsync()).IsError(400, "M_UNKNOWN_POS");
        }
    }

    [TestCase("""{"extensions":{"T":{"enabled":true,"limit":0}}}""", "M_INVALID_PARAM")]
    [TestCase("""{"extensions":{"T":{"enabled":true,"limit":"5"}}}""", "M_INVALID_PARAM")]
    [TestCase("""{"extensions":{"T":{"enabled":true,"limit":1.5}}}""", "M_INVALID_PARAM")]
    [TestCase("""{"extensions":{"T":{"enabled":true,"since":5}}}""", "M_INVALID_PARAM")]
    [TestCase("""{"extensions":{"T":{"enabled":true,"since":""}}}""", "M_INVALID_PARAM")]
    [TestCase("""{"extensions":{"T":{"enabled":"yes"}}}""", "M_BAD_JSON")]
    [TestCase("""{"extensions":{"T":[]}}""", "M_BAD_JSON")]
    [TestCase("""{"extensions":{"E":true}}""", "M_BAD_JSON")]
    [TestCase("""{"extensions":{"E":{"enabled":1}}}""", "M_BAD_JSON")]
    [TestCase("""{"extensions":[]}""", "M_BAD_JSON")]
    [TestCase("""{"lists":{"a":5}}""", "M_BAD_JSON")]
    [TestCase("""{"lists":[]}""", "M_BAD_JSON")]
    [TestCase("""{"room_subscriptions":{"a":null}}""", "M_BAD_JSON")]
    [TestCase("""{"conn_id":5}""", "M_BAD_JSON")]
    [TestCase("""{"conn_id":"\ud800"}""", "M_BAD_JSON")]
    [TestCase("""{"txn_id":{}}""", "M_BAD_JSON")]
    [TestCase("""{"timeout":"5"}""", "M_BAD_JSON")]
    [TestCase("""{"timeout":-1}""", "M_INVALID_PARAM")]
    [TestCase("""{"set_presence":"asleep"}""", "M_INVALID_PARAM")]
    [TestCase("""{"pos":5}""", "M_BAD_JSON")]
    [TestCase("""{"pos":"5"}""", "M_UNKNOWN_POS")]
    [TestCase("[]", "M_BAD_JSON")]
    [TestCase("null", "M_BAD_JSON")]
    [TestCase("", "M_NOT_JSON")]
    [TestCase("{", "M_NOT_JSON")]
    public async Task R4_R120_what_a_body_says_wrongly_is_an_error(string body, string errorCode)
    {
        foreach (var path in Paths)
        {
            var text = body.Replace("\"T\"", $"\"{path.ToDevice}\"", StringComparison.Ordinal).Replace("\"E\"", $"\"{path.Keys}\"", StringComparison.Ordinal);
            (await Server.SendAsync("POST", path.Path, text, _phone.Token)).IsError(400, errorCode);
        }
    }

    [TestCase("lists")]
    [TestCase("room_subscriptions")]
    public async Task There_are_at_most_100_lists_and_subscriptions(string member)
    {
        foreach (var path in Paths)
        {
            (await Server.SendAsync("POST", path.Path, Body(100), _phone.Token)).Ok();
            (await Server.SendAsync("POST", path.Path, Body(101), _phone.Token)).IsError(400, "M_INVALID_PARAM");
        }

        Dictionary<string, object> Body(int count) => new() { [member] = Enumerable.Range(0, count).ToDictionary(n => $"!{n}", _ => new { }) };
    }

    [TestCase("-1")]
    [TestCase("soon")]
    [TestCase("99999999999999999999")]
    public async Task A_timeout_is_a_number_of_milliseconds(string timeout)
    {
        foreach (var path in Paths)
            (await Server.SendAsync("POST", $"{path.Path}?timeout={timeout}", "{}", _phone.Token)).IsError(400, "M_INVALID_PARAM");
    }

    [TestCaseSource(nameof(Paths))]
    public async Task R5_R6_R9_the_endpoint_is_one_like_all_others(SlidingPath path)
    {
        (await Server.SendAsync("POST", path.Path, "{}")).IsError(401, "M_MISSING_TOKEN");
        (await Server.SendAsync("POST", path.Path, "{}", "nonsense")).IsError(401, "M_UNKNOWN_TOKEN");
        (await Server.SendAsync("GET", path.Path, token: _phone.Token)).IsError(405, "M_UNRECOGNIZED");
        (await Server.SendAsync("PUT", path.Path, "{}", _phone.Token)).IsError(405, "M_UNRECOGNIZED");
        (await Server.SendAsync("POST", path.Path + "/more", "{}", _phone.Token)).IsError(404, "M_UNRECOGNIZED");
        (await Server.SendAsync("POST", path.Path.ToUpperInvariant(), "{}", _phone.Token)).IsError(404, "M_UNRECOGNIZED");
        Assert.That((await Server.SendAsync("OPTIONS", path.Path, "not JSON", "nonsense")).Status, Is.EqualTo(200));
        (await Server.SendAsync("POST", path.Path, $$"""{"a":"{{new string('x', 1024 * 1024)}}"}""", _phone.Token)).IsError(413, "M_TOO_LARGE");
    }

    /// <summary>A body that comes when something has been done, which is when the server has asked for it.</summary>
    private sealed class LateContent(string text, Func<Task> before) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await before();
            await stream.WriteAsync(Encoding.UTF8.GetBytes(text));
        }

        protected override bool TryComputeLength(out long length)
        {
            length = Encoding.UTF8.GetByteCount(text);
            return true;
        }
    }
}
