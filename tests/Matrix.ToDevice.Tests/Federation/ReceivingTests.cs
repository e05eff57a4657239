using System.Text;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>What other servers send reaches the devices of this one, each message once.</summary>
public class ReceivingTests : ReceiverTests
{
    [Test]
    public async Task R30_R80_D9_a_message_reaches_its_device_as_it_was_sent()
    {
        Assert.That(
            await ReceiveAsync("""
                { "message_id" : "m1", "x" : [1], "messages" : { "@bob:hs1" : { "B1" : { "n" : 1.0, "s" : "\u00e9<" } } }, "type" : "m.\u0061", "sender" : "@carol:hs2" }
                """),
            Is.EqualTo(ReceivedEdu.Delivered));

        var message = (await Bob.SyncAsync()).Events.Single();
        Assert.That(message.Sender, Is.EqualTo("@carol:hs2"));
        Assert.That(message.Type, Is.EqualTo("m.a"));
        Assert.That(message.Content, Is.EqualTo("""{"n":1.0,"s":"\u00e9<"}"""));
        Assert.That(message.Keys.Split(','), Is.EquivalentTo(new[] { "content", "sender", "type" }));
    }

    [Test]
    public async Task R82_a_star_is_expanded_here_and_a_named_device_gets_its_own_content()
    {
        var other = Server.Login("@bob:hs1", "B2");

        await ReceiveAsync(Edu("""{"@bob:hs1":{"*":{"n":1},"B2":{"n":2}}}"""));

        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { """{"n":1}""" }));
        Assert.That((await other.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":2}""" }));
    }

    [Test]
    public async Task R81_D15_a_repeated_EDU_is_delivered_once()
    {
        Assert.That(await ReceiveAsync(EduToBob()), Is.EqualTo(ReceivedEdu.Delivered));
        Assert.That(await ReceiveAsync(EduToBob()), Is.EqualTo(ReceivedEdu.Duplicate));
        Assert.That(await ReceiveAsync(EduToBob("""{"other":1}""")), Is.EqualTo(ReceivedEdu.Duplicate));
        Assert.That(await ReceiveAsync(EduToBob(messageId: "m2")), Is.EqualTo(ReceivedEdu.Delivered));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(2));
    }

    [Test]
    public async Task R81_D15_the_same_message_id_of_two_servers_is_two_messages()
    {
        Assert.That(await ReceiveAsync(EduToBob()), Is.EqualTo(ReceivedEdu.Delivered));
        Assert.That(await ReceiveAsync(EduToBob(sender: "@carol:hs3"), "hs3"), Is.EqualTo(ReceivedEdu.Delivered));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(2));
    }

    [Test]
    public async Task R81_D15_of_repetitions_at_the_same_moment_one_is_delivered()
    {
        var results = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(async () => await ReceiveAsync(EduToBob()))));

        Assert.That(results, Has.Exactly(1).EqualTo(ReceivedEdu.Delivered).And.Exactly(19).EqualTo(ReceivedEdu.Duplicate));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [TestCase(32)]
    [TestCase(44)]
    [TestCase(8000)]
    [TestCase(0)]
    public async Task R81_D15_message_ids_of_any_length_are_accepted(int length)
    {
        var id = string.Concat(Enumerable.Repeat("🔑", length / 4));
        Assert.That(await ReceiveAsync(EduToBob(messageId: id)), Is.EqualTo(ReceivedEdu.Delivered));
        Assert.That(await ReceiveAsync(EduToBob(messageId: id)), Is.EqualTo(ReceivedEdu.Duplicate));
    }

    [TestCase("@carol:hs3")]
    [TestCase("@carol:hs2:8448")]
    [TestCase("@carol:HS2")]
    [TestCase("@bob:hs1")]
    [TestCase("@carol")]
    [TestCase("carol:hs2")]
    [TestCase("@carol:x:hs2")]
    [TestCase("")]
    [TestCase("@carol:hs2\n")]
    public async Task R86_D15_an_EDU_whose_sender_is_not_of_its_origin_is_dropped_and_counted(string sender)
    {
        using var metrics = CapturedMetrics.Of(Server);

        Assert.That(await ReceiveAsync(EduToBob(sender: sender)), Is.EqualTo(ReceivedEdu.SenderNotOfOrigin));

        Assert.That(await CountBobsMailAsync(), Is.Zero);
        Assert.That(metrics["matrix.to_device.federation.received"].Single().Tags, Is.EqualTo("outcome=sender_not_of_origin"));
        Assert.That(await ReceiveAsync(EduToBob()), Is.EqualTo(ReceivedEdu.Delivered), "its message id was not recorded");
    }

    [Test]
    public async Task R87_R28_D15_recipients_who_are_not_here_are_passed_over_and_the_others_get_theirs()
    {
        Assert.That(
            await ReceiveAsync(Edu("""
                {"@dave:hs3":{"*":{}},"@nobody:hs1":{"*":{}},"@bob:hs1":{"B1":{"n":1},"B9":{"n":9}},"no user":{"D":{}},"@:hs1":{"":{}},"@erin:hs2":{"E":{}}}
                """)),
            Is.EqualTo(ReceivedEdu.Delivered));

        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { """{"n":1}""" }));
        Assert.That(await Server.Services.GetRequiredService<IFederationOutbox>().ListDestinationsAsync(null, 10, default), Is.Empty, "nothing is passed on");
    }

    [Test]
    public async Task R57_a_message_from_another_server_ends_a_long_poll()
    {
        var since = (await Bob.SyncAsync()).NextBatch;
        using var metrics = CapturedMetrics.Of(Server);
        var sync = Bob.SyncAsync(since, timeout: 60_000);
        await metrics.ReachAsync("matrix.to_device.waiting_syncs", 1);

        await ReceiveAsync(EduToBob("""{"n":1}"""));

        Assert.That((await sync.WaitAsync(TimeLimit.OfOneWait)).Contents, Is.EqualTo(new[] { """{"n":1}""" }));
    }

    [Test]
    public async Task D8_D15_a_content_that_is_too_large_or_too_deep_is_left_out_and_the_others_are_delivered()
    {
        var large = $$"""{"p":"{{new string('x', 65_536)}}"}""";
        var deep = $"{string.Concat(Enumerable.Repeat("{\"a\":", 121))}1{new string('}', 121)}";
        var largest = $$"""{"p":"{{new string('x', 65_536 - 8)}}"}""";

        Assert.That(
            await ReceiveAsync(Edu($$$"""{"@alice:hs1":{"A1":{{{large}}} },"@bob:hs1":{"B0":{{{deep}}},"*":{{{largest}}} } }""")),
            Is.EqualTo(ReceivedEdu.Delivered));

        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { largest }));
        Assert.That((await Alice.SyncAsync()).Events, Is.Empty);
    }

    [Test]
    public async Task R24_D15_an_EDU_may_have_a_thousand_devices()
    {
        var devices = Enumerable.Range(0, 1000).Select(n => Server.Login("@dave:hs1", $"D{n}")).ToArray();

        var contents = devices.Select((_, n) => $$$"""
            "D{{{n}}}":{"n":{{{n}}}}
            """);
        await ReceiveAsync(Edu($$$"""{"@dave:hs1":{{{{string.Join(",", contents)}}} } }"""));

        for (var n = 0; n < devices.Length; n += 111)
            Assert.That((await devices[n].SyncAsync()).Contents, Is.EqualTo(new[] { $$"""{"n":{{n}}}""" }));
    }

    [Test]
    public async Task D16_D15_what_one_server_sends_another_one_receives()
    {
        await using var hs1 = await TestHomeserver.StartAsync(builder => TestTransport.Add(builder));
        await hs1.Login("@alice:hs1", "A1").PutAsync("m.test", "t1", """{"messages":{"@bob:hs2":{"B1":{"n":1}},"@bob:hs1":{"B1":{"n":2}}}}""");
        var sent = await TestTransport.Of(hs1).NextAsync();

        using var buffer = new MemoryStream();
        using (var json = new System.Text.Json.Utf8JsonWriter(buffer)) sent.Sent.WriteTo(json, "hs1");
        // This server is hs1 too; so the users that it is asked to deliver to are those of the other one.
        var body = Encoding.UTF8.GetString(buffer.ToArray()).Replace("hs1", "hs0").Replace("hs2", "hs1");
        var received = await Receiver.ReceiveTransactionAsync("hs0", System.Text.Json.JsonElement.Parse(body), default);

        Assert.That(received, Is.EqualTo(new ReceivedTransaction(Delivered: 1, Duplicates: 0, Dropped: 0)));
        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { """{"n":1}""" }));
    }
}
