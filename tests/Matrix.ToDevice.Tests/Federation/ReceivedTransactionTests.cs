using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>Whole transactions of other servers: what one EDU does is nothing to the others.</summary>
public class ReceivedTransactionTests : ReceiverTests
{
    [TestCase("null")]
    [TestCase("[]")]
    [TestCase("\"x\"")]
    [TestCase("{}")]
    [TestCase("""{"type":"t","message_id":"m","messages":{}}""")]
    [TestCase("""{"sender":"@carol:hs2","message_id":"m","messages":{}}""")]
    [TestCase("""{"sender":"@carol:hs2","type":"t","messages":{}}""")]
    [TestCase("""{"sender":"@carol:hs2","type":"t","message_id":"m"}""")]
    [TestCase("""{"sender":1,"type":"t","message_id":"m","messages":{}}""")]
    [TestCase("""{"sender":"@carol:hs2","type":{},"message_id":"m","messages":{}}""")]
    [TestCase("""{"sender":"@carol:hs2","type":"t","message_id":null,"messages":{}}""")]
    [TestCase("""{"sender":"@carol:hs2","type":"t","message_id":["m"],"messages":{}}""")]
    [TestCase("""{"sender":"@carol:hs2","type":"t","message_id":"m","messages":[]}""")]
    [TestCase("""{"sender":"@carol:hs2","type":"t","message_id":"m","messages":{"@bob:hs1":[]}}""")]
    [TestCase("""{"sender":"@carol:hs2","type":"t","message_id":"m","messages":{"@bob:hs1":{"B1":1}}}""")]
    [TestCase("""{"sender":"@carol:hs2","type":"t","message_id":"m","messages":{"@bob:hs1":{"B1":{},"B1":{}}}}""")]
    [TestCase("""{"sender":"@carol:hs2","type":"t","message_id":"m","messages":{"@bob:hs1":{"B1":{}},"@bob:hs1":{}}}""")]
    [TestCase("""{"sender":"@carol:hs2","type":"t","message_id":"m","messages":{"@bob:hs1":{"\ud800":{}}}}""")]
    [TestCase("""{"sender":"@carol:hs2","type":"t","message_id":"\ud800","messages":{"@bob:hs1":{"B1":{}}}}""")]
    [TestCase("""{"sender":"@carol:hs2","sender":"@carol:hs2","type":"t","message_id":"m","messages":{"@bob:hs1":{"B1":{}}}}""")]
    public async Task R80_D15_a_malformed_EDU_is_dropped_alone(string malformed)
    {
        using var metrics = CapturedMetrics.Of(Server);

        var received = await ReceiveTransactionAsync(malformed, EduToBob("""{"n":1}""", "m1"), malformed, EduToBob("""{"n":2}""", "m2"));

        Assert.That(received, Is.EqualTo(new ReceivedTransaction(Delivered: 2, Duplicates: 0, Dropped: 2)));
        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { """{"n":1}""", """{"n":2}""" }));
        Assert.That(metrics["matrix.to_device.federation.received"].Select(edu => edu.Tags), Is.EqualTo(
            new[] { "outcome=malformed", "outcome=delivered", "outcome=malformed", "outcome=delivered" }));
    }

    [Test]
    public async Task D15_ids_and_types_that_no_client_could_send_are_malformed()
    {
        var tooLong = new string('x', 8193);
        var messages = """{"@bob:hs1":{"B1":{}}}""";

        var received = await ReceiveTransactionAsync(Edu(messages, messageId: tooLong), Edu(messages, type: tooLong), Edu(messages, "m2", type: tooLong[1..]));

        Assert.That(received, Is.EqualTo(new ReceivedTransaction(Delivered: 1, Duplicates: 0, Dropped: 2)));
    }

    [Test]
    public async Task R83_100_EDUs_are_delivered_in_their_order()
    {
        var received = await ReceiveTransactionAsync(Enumerable.Range(1, 100).Select(n => EduToBob($$"""{"n":{{n}}}""", $"m{n}")));

        Assert.That(received.Delivered, Is.EqualTo(100));
        Assert.That(await BobsMailAsync(), Is.EqualTo(Enumerable.Range(1, 100).Select(n => $$"""{"n":{{n}}}""")));
    }

    [Test]
    public async Task R83_101_EDUs_are_refused_and_nothing_is_delivered()
    {
        Assert.That(
            async () => await ReceiveTransactionAsync(Enumerable.Range(1, 101).Select(n => EduToBob(messageId: $"m{n}"))),
            Throws.TypeOf<ToDeviceErrorException>().With.Property("Error").Property("ErrorCode").EqualTo("M_BAD_JSON"));
        Assert.That(await CountBobsMailAsync(), Is.Zero);
    }

    [TestCase("[]")]
    [TestCase("null")]
    [TestCase("""{"edus":{}}""")]
    [TestCase("""{"edus":1.5}""")]
    [TestCase("""{"edus":[],"edus":[]}""")]
    [TestCase("""{"pdus":[],"edus":[],"pdu\u0073":[]}""")]
    [TestCase("""{"pdus":{}}""")]
    [TestCase("""{"origin":1}""")]
    [TestCase("""{"origin":"\ud800"}""")]
    [TestCase("""{"origin":"hs2","origin":"hs2"}""")]
    public void R83_a_body_of_another_form_is_refused(string body)
    {
        Assert.That(
            async () => await ReceiveBodyAsync(body),
            Throws.TypeOf<ToDeviceErrorException>().With.Property("Error").Property("StatusCode").EqualTo(400));
    }

    [TestCase("""{}""")]
    [TestCase("""{"edus":[]}""")]
    [TestCase("""{"edus":null,"pdus":null,"origin":null}""")]
    [TestCase("""{"\ud800xxxxxx":1.5,"edus\udc00":1,"":{}}""")]
    [TestCase("""{"edus":[1,null,"m.direct_to_device",{},{"edu_type":1},{"edu_type":"m.typing","content":{}},{"edu_type":"M.DIRECT_TO_DEVICE"}]}""")]
    public async Task R83_EDUs_of_other_types_are_left_to_the_homeserver(string body)
    {
        Assert.That(await ReceiveBodyAsync(body), Is.EqualTo(default(ReceivedTransaction)));
    }

    [Test]
    public async Task R81_D15_a_transaction_that_comes_again_delivers_what_it_had_not()
    {
        await ReceiveTransactionAsync(EduToBob("""{"n":1}""", "m1"), EduToBob("""{"n":2}""", "m2"));

        var received = await ReceiveTransactionAsync(EduToBob("""{"n":1}""", "m1"), EduToBob("""{"n":2}""", "m2"), EduToBob("""{"n":3}""", "m3"));

        Assert.That(received, Is.EqualTo(new ReceivedTransaction(Delivered: 1, Duplicates: 2, Dropped: 0)));
        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { """{"n":1}""", """{"n":2}""", """{"n":3}""" }));
    }

    [Test]
    public async Task R85_D15_a_store_that_fails_fails_the_transaction_and_the_repetition_delivers_the_rest()
    {
        await using var server = await TestHomeserver.StartAsync(HookedStore.Add);
        var bob = server.Login("@bob:hs1", "B1");
        var commits = 0;
        server.Services.GetRequiredService<HookedStore>().BeforeCommit = () => ++commits == 2 ? throw new IOException("The disk is away.") : Task.CompletedTask;
        var receiver = server.Services.GetRequiredService<FederationReceiver>();
        var body = System.Text.Json.JsonElement.Parse($$"""
            {"edus":[{{string.Join(",", Enumerable.Range(1, 3).Select(n => $$"""{"edu_type":"m.direct_to_device","content":{{EduToBob($$"""{"n":{{n}}}""", $"m{n}")}}}"""))}}]}
            """);

        Assert.That(async () => await receiver.ReceiveTransactionAsync("hs2", body, default), Throws.TypeOf<IOException>());
        Assert.That((await bob.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":1}""" }));

        Assert.That(await receiver.ReceiveTransactionAsync("hs2", body, default), Is.EqualTo(new ReceivedTransaction(Delivered: 2, Duplicates: 1, Dropped: 0)));
        Assert.That((await bob.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":1}""", """{"n":2}""", """{"n":3}""" }));
    }

    [Test]
    public async Task D6_D15_a_device_that_is_removed_in_the_middle_gets_nothing_and_the_others_theirs()
    {
        await using var server = await TestHomeserver.StartAsync(HookedStore.Add);
        server.Login("@bob:hs1", "B1");
        var other = server.Login("@bob:hs1", "B2");
        var removed = false;
        server.Services.GetRequiredService<HookedStore>().BeforeCommit = async () =>
        {
            if (removed) return;
            removed = true;
            await server.LogoutAsync("@bob:hs1", "B1");
        };

        var received = await server.Services.GetRequiredService<FederationReceiver>().ReceiveAsync(
            "hs2", System.Text.Encoding.UTF8.GetBytes(Edu("""{"@bob:hs1":{"*":{}}}""")), default);

        Assert.That(received, Is.EqualTo(ReceivedEdu.Delivered));
        Assert.That((await other.SyncAsync()).Events, Has.Count.EqualTo(1));
        Assert.That((await server.Login("@bob:hs1", "B1").SyncAsync()).Events, Is.Empty);
    }

    [Test]
    public async Task D17_what_is_logged_of_a_dropped_EDU_names_the_server_and_no_content()
    {
        var log = new CapturedLog();
        await using var server = await TestHomeserver.StartAsync(builder => log.AddTo(builder, LogLevel.Information));
        var receiver = server.Services.GetRequiredService<FederationReceiver>();
        foreach (var content in (string[])[EduToBob("""{"secret":1}""", sender: "@secret:hs3"), """{"secret":1}"""])
            await receiver.ReceiveAsync("hs2", System.Text.Encoding.UTF8.GetBytes(content), default);

        var entries = log.Entries.Where(entry => entry.Text.Contains("hs2", StringComparison.Ordinal)).ToArray();
        Assert.That(entries.Select(entry => entry.Level), Is.EqualTo(new[] { LogLevel.Warning, LogLevel.Warning }));
        Assert.That(entries.Select(entry => entry.Text), Has.None.Contains("secret"));
    }

    [Test]
    public async Task D5_message_ids_have_a_retention_of_their_own()
    {
        var time = new TestTime();
        await using var server = await TestHomeserver.StartAsync(builder => builder.Services.AddSingleton<TimeProvider>(time));
        var receiver = server.Services.GetRequiredService<FederationReceiver>();
        var transactions = server.Services.GetRequiredService<ITransactionStore>();
        var edu = System.Text.Encoding.UTF8.GetBytes(EduToBob());
        await receiver.ReceiveAsync("hs2", edu, default);

        time.Advance(TimeSpan.FromDays(6));
        await transactions.PurgeAsync(TransactionKey.SendToDevice, time.GetUtcNow() - TimeSpan.FromDays(1), 100, default);
        await transactions.PurgeAsync(TransactionKey.DirectToDevice, time.GetUtcNow() - TimeSpan.FromDays(7), 100, default);
        Assert.That(await receiver.ReceiveAsync("hs2", edu, default), Is.EqualTo(ReceivedEdu.Duplicate));

        time.Advance(TimeSpan.FromDays(8));
        await transactions.PurgeAsync(TransactionKey.DirectToDevice, time.GetUtcNow() - TimeSpan.FromDays(7), 100, default);
        Assert.That(await receiver.ReceiveAsync("hs2", edu, default), Is.EqualTo(ReceivedEdu.Delivered));
    }
}
