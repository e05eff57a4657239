using System.Globalization;
using System.Text.Json;
using Matrix.ToDevice;

namespace LocalHomeserver.Tests;

/// <summary>Three homeservers that send each other messages for their users' devices.</summary>
[TestFixture("memory")]
[TestFixture("sqlite")]
[TestFixture("postgresql", Category = "Slow")]
internal sealed class SendingTests(string store)
{
    private FederatedServers _servers = null!;

    [OneTimeSetUp]
    public async Task Start() => _servers = await FederatedServers.StartAsync(store, 3);

    [OneTimeTearDown]
    public async Task Stop()
    {
        if (_servers is not null) await _servers.DisposeAsync();
    }

    [Test]
    public async Task R27_R80_one_send_reaches_devices_of_three_servers_once()
    {
        var sender = await _servers[1].RegisterAsync();
        var receivers = new[] { await _servers[1].RegisterAsync(), await _servers[2].RegisterAsync(), await _servers[3].RegisterAsync() };

        await SendAsync(sender, "hello", receivers);
        await SendAsync(sender, "end", receivers);

        foreach (var receiver in receivers)
        {
            var messages = await receiver.MessagesUntilAsync("end");
            Assert.That(messages, Has.Count.EqualTo(2));
            Assert.That((messages[0].String("sender"), messages[0].String("type")), Is.EqualTo((sender.UserId, "m.test")));
            Assert.That(messages[0].GetProperty("content").String("text"), Is.EqualTo("hello"));
        }
    }

    [Test]
    public async Task They_answer_each_other()
    {
        var alice = await _servers[1].RegisterAsync();
        var bob = await _servers[2].RegisterAsync();

        await alice.SendAsync(bob, "ping");
        Assert.That(await bob.ReceivesUntilAsync("ping"), Is.Empty);
        await bob.SendAsync(alice, "pong");
        Assert.That(await alice.ReceivesUntilAsync("pong"), Is.Empty);
    }

    [Test]
    public async Task R80_R81_D16_an_EDU_has_the_keys_of_the_specification_and_an_ID_of_its_own()
    {
        var sender = await _servers[1].RegisterAsync();
        var receiver = await _servers[2].RegisterAsync();

        await sender.SendAsync(receiver, "one", txnId: "the client's");
        await sender.SendAsync(receiver, "two");
        await receiver.ReceivesUntilAsync("two");

        var contents = EdusTo(2, receiver);
        Assert.That(contents, Has.Count.EqualTo(2));
        foreach (var content in contents)
        {
            Assert.That(content.EnumerateObject().Select(member => member.Name), Is.EquivalentTo(new[] { "sender", "type", "message_id", "messages" }));
            Assert.That((content.String("sender"), content.String("type")), Is.EqualTo((sender.UserId, "m.test")));
            Assert.That(new StringInfo(content.String("message_id")).LengthInTextElements, Is.InRange(16, 32));
        }

        Assert.That(contents.Select(content => content.String("message_id")), Is.Unique.And.Not.Contains("the client's"));
    }

    [Test]
    public async Task R82_star_is_expanded_by_the_receiving_server_to_the_devices_that_are_there()
    {
        var sender = await _servers[1].RegisterAsync();
        var phone = await _servers[2].RegisterAsync("PHONE");
        var laptop = await _servers[2].LoginAsync(phone.UserId, "LAPTOP");

        (await sender.TrySendAsync(phone.UserId, "*", "all")).Ok();
        await phone.ReceivesUntilAsync("all");
        var later = await _servers[2].LoginAsync(phone.UserId, "LATER");
        foreach (var device in new[] { phone, laptop, later }) await sender.SendAsync(device, "end");

        Assert.That(await phone.ReceivesUntilAsync("end"), Is.EqualTo(new[] { "all" }));
        Assert.That(await laptop.ReceivesUntilAsync("end"), Is.EqualTo(new[] { "all" }));
        Assert.That(await later.ReceivesUntilAsync("end"), Is.Empty);
        Assert.That(EdusTo(2, phone)[0].GetProperty("messages").GetProperty(phone.UserId).EnumerateObject().Single().Name, Is.EqualTo("*"));
    }

    [Test]
    public async Task D20_a_content_arrives_in_canonical_form()
    {
        const string Content = """{"text":"x","number":1e2,"\u00e9scape":"\ud83d\ude00<&>","b":[-0],"a":{"":null}}""";
        var sender = await _servers[1].RegisterAsync();
        var receiver = await _servers[2].RegisterAsync();

        (await sender.CallAsync(
            "PUT", "/sendToDevice/m.test/1", $$"""{"messages":{"{{receiver.UserId}}":{"{{receiver.DeviceId}}":{{Content}}} } }""")).Ok();

        Assert.That((await receiver.MessagesUntilAsync("x"))[0].GetProperty("content").GetRawText(), Is.EqualTo(
            """{"a":{"":null},"b":[0],"number":100,"text":"x","éscape":"😀<&>"}"""));
    }

    [Test]
    public async Task R40_a_send_that_is_repeated_makes_no_second_EDU()
    {
        var sender = await _servers[1].RegisterAsync();
        var receiver = await _servers[2].RegisterAsync();

        for (var i = 0; i < 3; i++) await sender.SendAsync(receiver, "once", txnId: "1");
        await sender.SendAsync(receiver, "end");

        Assert.That(await receiver.ReceivesUntilAsync("end"), Is.EqualTo(new[] { "once" }));
    }

    [Test]
    public async Task R28_D10_D16_whoever_cannot_be_reached_is_left_out_and_the_sender_is_not_told()
    {
        var sender = await _servers[1].RegisterAsync();
        var receiver = await _servers[2].RegisterAsync();
        string[] others =
        [
            "@somebody:hs9.localhost", "@nobody:hs2.localhost", "@nobody:hs1.localhost", "@a:hs2.localhost:8448", "@a:HS2.localhost",
            "@a:not a server", "@a:", "@a", "", "hs2.localhost", $"{receiver.UserId}x",
        ];
        var messages = others.Append(receiver.UserId).ToDictionary(userId => userId, _ => new Dictionary<string, object> { ["*"] = new { text = "hello" } });

        (await sender.CallAsync("PUT", "/sendToDevice/m.test/1", new { messages })).Ok();
        await sender.SendAsync(receiver, "end");

        Assert.That(await receiver.ReceivesUntilAsync("end"), Is.EqualTo(new[] { "hello" }));
        Assert.That(await _servers[1].Outbox.ListDestinationsAsync(null, 10, default), Is.SubsetOf(new[] { "hs2.localhost" }), "nothing waits for the others");
    }

    [TestCase("1.5")]
    [TestCase("1e-2")]
    [TestCase("1e400")]
    [TestCase("9007199254740992")]
    [TestCase("\"\\ud800\"")]
    [TestCase("{\"a\":1,\"a\":2}")]
    public async Task D16_a_content_that_cannot_be_signed_is_refused_at_once_and_nobody_gets_anything(string value)
    {
        var sender = await _servers[1].RegisterAsync();
        var local = await _servers[1].RegisterAsync();
        var remote = await _servers[2].RegisterAsync();
        string Body(params TestDevice[] to) =>
            $$"""{"messages":{{{string.Join(',', to.Select(device => $$"""  "{{device.UserId}}":{"*":{"text":"x","value":{{value}}} }"""))}}} }""";

        (await sender.CallAsync("PUT", "/sendToDevice/m.test/1", Body(local, remote))).IsError(400, "M_BAD_JSON");
        await SendAsync(sender, "end", local, remote);
        Assert.That(await local.ReceivesUntilAsync("end"), Is.Empty);
        Assert.That(await remote.ReceivesUntilAsync("end"), Is.Empty);

        // For devices of this server it is nothing that has to be signed, and the transaction is still free.
        (await sender.CallAsync("PUT", "/sendToDevice/m.test/1", Body(local))).Ok();
    }

    [Test]
    public async Task R83_R84_R89_D16_what_has_gathered_goes_out_in_order_a_hundred_at_most_and_one_transaction_at_a_time()
    {
        var wire = _servers.WireTo(2);
        var sender = await _servers[1].RegisterAsync();
        var receiver = await _servers[2].RegisterAsync();
        string[] texts = [.. Enumerable.Range(0, 250).Select(i => $"{i}")];

        wire.IsCut = true;
        foreach (var text in texts) await sender.SendAsync(receiver, text);
        var before = wire.Seen.Count;
        wire.IsCut = false;
        await sender.SendAsync(receiver, "end");

        Assert.That(await receiver.ReceivesUntilAsync("end"), Is.EqualTo(texts));
        var sizes = wire.Seen.Skip(before).Select(transaction => transaction.Edus.Length).ToList();
        Assert.That(sizes.Max(), Is.EqualTo(100));
        Assert.That(sizes, Has.Count.LessThan(10), "they share transactions");
        Assert.That(wire.MostUnderWay, Is.EqualTo(1));
        Assert.That(wire.Seen.Select(transaction => transaction.TransactionId), Is.All.Match("^[0-9a-z]+$"));
    }

    [Test]
    public async Task R89_D12_senders_that_send_at_the_same_time_each_keep_their_order()
    {
        var receiver = await _servers[2].RegisterAsync();
        var texts = new List<string>();
        var senders = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => _servers[1].RegisterAsync()));

        await Task.WhenAll(senders.Select(async sender =>
        {
            for (var i = 0; i < 30; i++) await sender.SendAsync(receiver, $"{sender.UserId} {i:00}");
        }));
        await senders[0].SendAsync(receiver, "end");

        var received = await receiver.ReceivesUntilAsync("end");
        foreach (var sender in senders)
        {
            Assert.That(
                received.Where(text => text.StartsWith(sender.UserId + " ", StringComparison.Ordinal)),
                Is.EqualTo(Enumerable.Range(0, 30).Select(i => $"{sender.UserId} {i:00}")));
        }
    }

    [Test]
    [Category("Slow")]
    public async Task R90_D16_a_message_for_a_thousand_devices_of_one_user_arrives_at_each_in_EDUs_that_are_not_too_large()
    {
        var sender = await _servers[1].RegisterAsync();
        var first = await _servers[2].RegisterAsync();
        var devices = new List<TestDevice> { first };
        foreach (var some in Enumerable.Range(1, 999).Chunk(50))
            devices.AddRange(await Task.WhenAll(some.Select(i => _servers[2].LoginAsync(first.UserId, $"DEVICE{i}"))));
        var padding = new string('p', 300);
        var ofUser = devices.ToDictionary(device => device.DeviceId, device => (object)new { text = device.DeviceId, padding });

        (await sender.CallAsync(
            "PUT", "/sendToDevice/m.test/1", new { messages = new Dictionary<string, object> { [first.UserId] = ofUser } })).Ok();
        (await sender.TrySendAsync(first.UserId, "*", "end")).Ok();

        foreach (var some in devices.Chunk(50))
        {
            await Task.WhenAll(some.Select(async device =>
                Assert.That(await device.ReceivesUntilAsync("end"), Is.EqualTo(new[] { device.DeviceId }))));
        }

        var edus = _servers.WireTo(2).Seen.SelectMany(transaction => transaction.Edus)
            .Where(edu => edu.GetProperty("content").String("sender") == sender.UserId).ToList();
        Assert.That(edus, Has.Count.InRange(6, 10), "an EDU carries many devices");
        Assert.That(edus.Select(edu => CanonicalJson.Encode(edu).Length), Is.All.LessThanOrEqualTo(65_536));
    }

    private static async Task SendAsync(TestDevice sender, string text, params TestDevice[] to) =>
        (await sender.CallAsync("PUT", $"/sendToDevice/m.test/{Guid.NewGuid()}", new
        {
            messages = to.ToDictionary(device => device.UserId, device => new Dictionary<string, object> { [device.DeviceId] = new { text } }),
        })).Ok();

    /// <summary>The contents of the EDUs for a user that went over the wire.</summary>
    private List<JsonElement> EdusTo(int server, TestDevice receiver) =>
    [
        .. _servers.WireTo(server).Seen.SelectMany(transaction => transaction.Edus).Select(edu => edu.GetProperty("content"))
            .Where(content => content.GetProperty("messages").Has(receiver.UserId)),
    ];
}
