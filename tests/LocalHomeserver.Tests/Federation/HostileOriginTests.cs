using System.Text.Json.Nodes;

namespace LocalHomeserver.Tests;

/// <summary>What other servers send, and should not: nobody is harmed by it, and what is good among it is delivered.</summary>
[TestFixture("memory")]
[TestFixture("sqlite")]
[TestFixture("postgresql", Category = "Slow")]
internal sealed class HostileOriginTests(string store)
{
    private const string Sender = $"@mallory:{FakePeer.Name}";

    private FakePeer _peer = null!;
    private Homeserver _server = null!;
    private TestDevice _receiver = null!;
    private int _messages;

    [OneTimeSetUp]
    public async Task Start()
    {
        _peer = await FakePeer.StartAsync();
        _server = await Homeserver.StartAsync(store, "--ServerName", "hs1.localhost", $"--Federation:Peers:{FakePeer.Name}", _peer.Url);
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        if (_server is not null) await _server.DisposeAsync();
        if (_peer is not null) await _peer.DisposeAsync();
    }

    [SetUp]
    public async Task Register() => _receiver = await _server.RegisterAsync();

    [TestCase("@alice:hs3.localhost", TestName = "R86_D15_a_sender_of_a_third_server_is_dropped")]
    [TestCase("@alice:hs1.localhost", TestName = "R86_D15_a_sender_of_the_receiving_server_is_dropped")]
    [TestCase("@alice:HS2.localhost", TestName = "R86_D15_a_sender_of_a_server_with_other_letters_is_dropped")]
    [TestCase("@alice:hs2.localhost:8448", TestName = "R86_D15_a_sender_of_a_server_at_another_port_is_dropped")]
    [TestCase("@alice:hs3.localhost:hs2.localhost", TestName = "R86_D15_a_sender_whose_second_colon_stands_before_the_origin_is_dropped")]
    [TestCase("alice:hs2.localhost", TestName = "R86_D15_a_sender_without_an_at_sign_is_dropped")]
    [TestCase("hs2.localhost", TestName = "R86_D15_a_sender_that_is_a_server_is_dropped")]
    [TestCase("", TestName = "R86_D15_a_sender_without_a_name_is_dropped")]
    public async Task A_sender_who_is_not_of_the_origin(string sender) => await DeliversOnlyAsync(["good"], Edu("bad", sender: sender), Edu("good"));

    [Test]
    public async Task R86_a_transaction_of_another_server_than_the_one_that_signed_it_is_refused()
    {
        (await _peer.PutAsync(_server, Transaction([Edu("bad")], origin: "hs3.localhost"))).IsError(403, "M_FORBIDDEN");
        await DeliversOnlyAsync([], []);
    }

    [Test]
    public async Task A_wrong_signature_is_refused_and_nothing_is_delivered()
    {
        const string Uri = "/_matrix/federation/v1/send/1";
        var body = Transaction([Edu("bad")]);
        string[] headers =
        [
            _peer.Sign(Uri, body).ToString(), // signed as GET
            _peer.Sign(Uri, "{}", method: "PUT").ToString(),
            _peer.Sign(Uri, body, method: "PUT", destination: "hs3.localhost").ToString(),
            (_peer.Sign(Uri, body, method: "PUT") with { Signature = UnpaddedBase64.Encode(new byte[64]) }).ToString(),
        ];
        foreach (var header in headers) (await _peer.SendAsync(_server, Uri, header, body, "PUT")).IsError(401, "M_UNAUTHORIZED");
        (await _peer.SendAsync(_server, Uri, authorization: null, body, "PUT")).IsError(401, "M_UNAUTHORIZED");
        (await _peer.SendAsync(_server, Uri, _peer.Sign(Uri, body, method: "PUT", origin: "hs3.localhost").ToString(), body, "PUT")).IsError(403, "M_FORBIDDEN");

        await DeliversOnlyAsync([], []);
    }

    [Test]
    public async Task R81_D15_a_replay_delivers_nothing_whatever_transaction_it_comes_in()
    {
        var edu = Edu("once");
        var body = Transaction([edu]);
        for (var i = 0; i < 3; i++) (await _peer.PutAsync(_server, body)).Ok();
        (await _peer.PutAsync(_server, body, "2")).Ok();
        (await _peer.PutAsync(_server, Transaction([Edu("between"), edu, edu]), "3")).Ok();

        // The first one counts: a message ID is of one message.
        var changed = edu.DeepClone();
        changed["content"]!["messages"]![_receiver.UserId]!["*"]!["text"] = "changed";
        (await _peer.PutAsync(_server, Transaction([(JsonObject)changed]), "4")).Ok();

        await DeliversOnlyAsync(["once", "between"], []);
    }

    [Test]
    public async Task R81_D15_replays_at_the_same_time_deliver_once()
    {
        var body = Transaction([Edu("once")]);
        foreach (var reply in await Task.WhenAll(Enumerable.Range(0, 10).Select(i => _peer.PutAsync(_server, body, $"{i % 2}")))) reply.Ok();
        await DeliversOnlyAsync(["once"], []);
    }

    [Test]
    public async Task R83_more_EDUs_or_PDUs_than_a_transaction_may_have_are_refused_and_nothing_is_delivered()
    {
        JsonObject[] Edus(int count) => [.. Enumerable.Range(0, count).Select(i => Edu($"{i}"))];
        (await _peer.PutAsync(_server, Transaction(Edus(101)))).IsError(400, "M_BAD_JSON");
        (await _peer.PutAsync(_server, Transaction(Edus(1), pdus: 51))).IsError(400, "M_BAD_JSON");
        await DeliversOnlyAsync([], []);

        await Register();
        (await _peer.PutAsync(_server, Transaction(Edus(100), pdus: 50))).Ok();
        Assert.That(await _receiver.ReceivesUntilAsync("99"), Is.EqualTo(Enumerable.Range(0, 99).Select(i => $"{i}")));
    }

    [Test]
    public async Task A_transaction_that_is_too_large_is_refused_and_nothing_is_delivered()
    {
        var body = Transaction([Edu("bad"), Edu(new string('x', 10 * 1024 * 1024))]);
        (await _peer.PutAsync(_server, body)).IsError(413, "M_TOO_LARGE");
        await DeliversOnlyAsync([], []);
    }

    [TestCase("null")]
    [TestCase("[]")]
    [TestCase("\"m.direct_to_device\"")]
    [TestCase("{}")]
    [TestCase("""{"edu_type":1}""")]
    [TestCase("""{"edu_type":"m.direct_to_device"}""")]
    [TestCase("""{"edu_type":"m.direct_to_device","content":null}""")]
    [TestCase("""{"edu_type":"m.direct_to_device","content":[]}""")]
    [TestCase("""{"edu_type":"m.direct_to_device","content":{}}""")]
    [TestCase("""{"edu_type":"m.direct_to_device","content":{"sender":1,"type":"m.test","message_id":"a","messages":{}}}""")]
    [TestCase("""{"edu_type":"m.direct_to_device","content":{"sender":"@mallory:hs2.localhost","type":{},"message_id":"b","messages":{}}}""")]
    [TestCase("""{"edu_type":"m.direct_to_device","content":{"sender":"@mallory:hs2.localhost","type":"m.test","message_id":[],"messages":{}}}""")]
    [TestCase("""{"edu_type":"m.direct_to_device","content":{"sender":"@mallory:hs2.localhost","type":"m.test","message_id":"c"}}""")]
    [TestCase("""{"edu_type":"m.direct_to_device","content":{"sender":"@mallory:hs2.localhost","type":"m.test","message_id":"d","messages":[]}}""")]
    [TestCase("""{"edu_type":"m.direct_to_device","content":{"sender":"@mallory:hs2.localhost","type":"m.test","message_id":"e","messages":{"@a:hs1.localhost":[]}}}""")]
    [TestCase("""{"edu_type":"m.direct_to_device","content":{"sender":"@mallory:hs2.localhost","type":"m.test","message_id":"f","messages":{"@a:hs1.localhost":{"*":1}}}}""")]
    [TestCase("""{"edu_type":"m.typing","content":{"room_id":"!a:hs2.localhost","user_id":"@mallory:hs2.localhost","typing":true}}""")]
    [TestCase("""{"edu_type":"M.DIRECT_TO_DEVICE","content":{"sender":"@mallory:hs2.localhost","type":"m.test","message_id":"g","messages":{}}}""")]
    public async Task R85_D15_a_malformed_EDU_or_one_of_another_type_is_passed_over_and_those_behind_it_are_delivered(string edu) =>
        await DeliversOnlyAsync(["good"], JsonNode.Parse(edu), Edu("good"));

    [Test]
    public async Task R87_D15_recipients_who_are_not_of_this_server_are_left_out_and_the_others_get_theirs()
    {
        var edu = Edu("good");
        var messages = edu["content"]!["messages"]!.AsObject();
        foreach (var userId in new[] { "@a:hs3.localhost", Sender, "@nobody:hs1.localhost", "nonsense", "", "@a:not a server" })
            messages.Insert(0, userId, new JsonObject { ["*"] = new JsonObject { ["text"] = "bad" } });

        await DeliversOnlyAsync(["good"], edu);

        // And nothing of it goes back, or on.
        Assert.That(_peer.Received, Is.Empty);
    }

    [Test]
    public async Task R82_star_reaches_all_devices_and_a_device_that_is_named_beside_it_gets_the_content_with_its_name()
    {
        var laptop = await _server.LoginAsync(_receiver.UserId, "LAPTOP");
        var edu = Edu("all");
        edu["content"]!["messages"]![_receiver.UserId]!["LAPTOP"] = new JsonObject { ["text"] = "named" };
        edu["content"]!["messages"]![_receiver.UserId]!["UNKNOWN"] = new JsonObject { ["text"] = "nobody" };

        (await _peer.PutAsync(_server, Transaction([edu, Edu("end")]))).Ok();

        Assert.That(await _receiver.ReceivesUntilAsync("end"), Is.EqualTo(new[] { "all" }));
        Assert.That(await laptop.ReceivesUntilAsync("end"), Is.EqualTo(new[] { "named" }));
    }

    [Test]
    public async Task R81_D15_a_message_ID_may_be_longer_than_it_should_be()
    {
        var ids = new[] { new string('a', 44), "é😀" + new string('b', 2000), "" };
        foreach (var id in ids)
        {
            for (var i = 0; i < 2; i++) (await _peer.PutAsync(_server, Transaction([Edu($"ID of {id.Length}", messageId: id)]))).Ok();
        }

        await DeliversOnlyAsync([.. ids.Select(id => $"ID of {id.Length}")], []);
    }

    [Test]
    public async Task R90_D8_a_content_that_is_too_large_is_dropped_and_the_other_recipients_get_theirs()
    {
        var edu = Edu("good");
        edu["content"]!["messages"]![_receiver.UserId]!["LAPTOP"] = new JsonObject { ["text"] = new string('x', 70_000) };
        var laptop = await _server.LoginAsync(_receiver.UserId, "LAPTOP");

        (await _peer.PutAsync(_server, Transaction([edu, Edu("end")]))).Ok();

        Assert.That(await _receiver.ReceivesUntilAsync("end"), Is.EqualTo(new[] { "good" }));
        Assert.That(await laptop.ReceivesUntilAsync("end"), Is.All.EqualTo("good"));
    }

    [TestCase("""{"edus":{}}""")]
    [TestCase("""{"pdus":{}}""")]
    [TestCase("[]")]
    [TestCase("""{"edus":[],"edus":[]}""")]
    [TestCase("""{"origin":1}""")]
    public async Task R4_a_transaction_of_another_form_is_told(string body) =>
        (await _peer.PutAsync(_server, body)).IsError(400, "M_BAD_JSON");

    [Test]
    public async Task R4_a_transaction_without_a_body_is_told()
    {
        const string Uri = "/_matrix/federation/v1/send/1";
        (await _peer.SendAsync(_server, Uri, _peer.Sign(Uri, method: "PUT").ToString(), body: null, "PUT")).IsError(400, "M_NOT_JSON");
    }

    [Test]
    public async Task An_empty_transaction_is_answered_and_PDUs_are_refused_by_their_IDs()
    {
        Assert.That((await _peer.PutAsync(_server, "{}")).Ok().GetRawText(), Is.EqualTo("""{"pdus":{}}"""));

        var pdus = (await _peer.PutAsync(_server, Transaction([], pdus: 2))).Ok().GetProperty("pdus");
        Assert.That(pdus.EnumerateObject().Select(pdu => pdu.Name), Is.EquivalentTo(new[] { "$0:hs2.localhost", "$1:hs2.localhost" }));
        Assert.That(pdus.GetProperty("$0:hs2.localhost").String("error"), Is.Not.Empty);
    }

    [Test]
    public async Task R5_only_PUT_is_a_method_of_the_path()
    {
        (await _server.SendAsync("GET", "/_matrix/federation/v1/send/1")).IsError(405, "M_UNRECOGNIZED");
        (await _server.SendAsync("POST", "/_matrix/federation/v1/send/1", "{}")).IsError(405, "M_UNRECOGNIZED");
        (await _server.SendAsync("PUT", "/_matrix/federation/v1/send", "{}")).IsError(404, "M_UNRECOGNIZED");
        (await _server.SendAsync("PUT", "/_matrix/federation/v1/send/1/2", "{}")).IsError(404, "M_UNRECOGNIZED");
        (await _server.SendAsync("PUT", "/_matrix/federation/v1/SEND/1", "{}")).IsError(404, "M_UNRECOGNIZED");
    }

    /// <summary>A transaction with these EDUs is taken, and the receiver has got just these texts when it has been.</summary>
    private async Task DeliversOnlyAsync(string[] texts, params JsonNode?[] edus)
    {
        (await _peer.PutAsync(_server, Transaction(edus), $"{Guid.NewGuid()}")).Ok();
        (await _peer.PutAsync(_server, Transaction([Edu("end")]), $"{Guid.NewGuid()}")).Ok();
        Assert.That(await _receiver.ReceivesUntilAsync("end"), Is.EqualTo(texts));
    }

    /// <summary>A message for all devices of the receiver.</summary>
    private JsonObject Edu(string text, string sender = Sender, string? messageId = null) => new()
    {
        ["edu_type"] = "m.direct_to_device",
        ["content"] = new JsonObject
        {
            ["sender"] = sender,
            ["type"] = "m.test",
            ["message_id"] = messageId ?? $"{store} {Interlocked.Increment(ref _messages)}",
            ["messages"] = new JsonObject { [_receiver.UserId] = new JsonObject { ["*"] = new JsonObject { ["text"] = text } } },
        },
    };

    private static string Transaction(JsonNode?[] edus, string origin = FakePeer.Name, int pdus = 0) => new JsonObject
    {
        ["origin"] = origin,
        ["origin_server_ts"] = 1,
        ["pdus"] = new JsonArray([.. Enumerable.Range(0, pdus).Select(i => new JsonObject { ["event_id"] = $"${i}:{FakePeer.Name}" })]),
        ["edus"] = new JsonArray([.. edus.Select(edu => edu?.DeepClone())]),
    }.ToJsonString();
}
