using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>What one EDU holds fails neither its transaction nor those beside it: half surrogates, numbers, depth, keys that are there twice.</summary>
public class InboundTransactionTests : ReceiverTests
{
    [TestCaseSource(typeof(InboundContents), nameof(InboundContents.Delivered))]
    public async Task D9_D15_D20_a_content_arrives_as_it_was_written_and_the_next_one_follows(string content)
    {
        Assert.That(
            await ReceiveTransactionAsync(EduToBob(content), EduToBob("""{"good":1}""", "m2")),
            Is.EqualTo(new ReceivedTransaction(Delivered: 2, Duplicates: 0, Dropped: 0)));
        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { content, """{"good":1}""" }));
    }

    [TestCaseSource(typeof(InboundContents), nameof(InboundContents.LeftOut))]
    public async Task D8_D15_a_content_that_is_left_out_is_counted_and_logged_and_the_others_arrive(string content)
    {
        var log = new CapturedLog();
        await using var server = await TestHomeserver.StartAsync(builder => log.AddTo(builder, LogLevel.Information));
        using var metrics = CapturedMetrics.Of(server);
        var bob = server.Login("@bob:hs1", "B1");
        string[] contents =
        [
            Edu($$$"""{"@bob:hs1":{"B1":{{{content}}}} }""", "m1"),
            Edu($$$"""{"@bob:hs1":{"B0":{{{content}}},"B1":{"n":2},"B2":{{{content}}}} }""", "m2"),
            EduToBob("""{"n":3}""", "m3"),
        ];
        var body = $$"""{"edus":[{{string.Join(",", contents.Select(edu => $$"""{"edu_type":"m.direct_to_device","content":{{edu}}}"""))}}]}""";

        var received = await server.Services.GetRequiredService<FederationReceiver>().ReceiveTransactionAsync("hs2", Encoding.UTF8.GetBytes(body), default);

        Assert.That(received, Is.EqualTo(new ReceivedTransaction(Delivered: 2, Duplicates: 0, Dropped: 1)));
        Assert.That((await bob.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":2}""", """{"n":3}""" }));
        Assert.That(metrics["matrix.to_device.federation.received"].Select(edu => edu.Tags), Is.EqualTo(
            new[] { "outcome=malformed", "outcome=delivered", "outcome=delivered" }));
        var logged = log.Entries.Where(entry => entry.Id.Id == 19).ToArray();
        Assert.That(logged.Select(entry => entry.Text[..entry.Text.IndexOf('f', StringComparison.Ordinal)]), Is.EqualTo(new[] { "1 contents o", "2 contents o" }));
        Assert.That(logged.Select(entry => entry.Level), Is.All.EqualTo(LogLevel.Warning));
    }

    [TestCaseSource(typeof(InboundContents), nameof(InboundContents.Dropped))]
    public async Task D15_D24_an_EDU_that_cannot_be_delivered_is_dropped_alone(string edu)
    {
        Assert.That((await ReceiveBesideAsync(edu)).Delivered, Is.EqualTo(2));
        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { """{"n":1}""", """{"n":2}""" }));
    }

    [TestCaseSource(typeof(InboundContents), nameof(InboundContents.DeliveredBeside))]
    public async Task D15_D24_what_nobody_needs_to_know_of_an_EDU_harms_nothing(string edu)
    {
        Assert.That(await ReceiveBesideAsync(edu), Is.EqualTo(new ReceivedTransaction(Delivered: 3, Duplicates: 0, Dropped: 0)));
        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { """{"n":1}""", """{"text":"beside"}""", """{"n":2}""" }));
    }

    [Test]
    public async Task D15_to_device_EDUs_without_a_content_or_with_two_are_counted_as_malformed()
    {
        using var metrics = CapturedMetrics.Of(Server);
        var received = await ReceiveBodyAsync("""
            {"edus":[{"edu_type":"m.direct_to_device"},{"edu_type":"m.direct_to_device","content":{},"content":{}},{"edu_type":"m.typing","edu_type":"m.direct_to_device","content":{}}]}
            """);

        Assert.That(received, Is.EqualTo(new ReceivedTransaction(Delivered: 0, Duplicates: 0, Dropped: 3)));
        Assert.That(metrics["matrix.to_device.federation.received"].Select(edu => edu.Tags), Is.All.EqualTo("outcome=malformed"));
    }

    [Test]
    public void D15_a_transaction_says_what_is_in_it()
    {
        var body = Encoding.UTF8.GetBytes("""
            { "pdus" : [ {"event_id" : "$1"} , 1.5, "\ud800", [ ] ], "x": {"edus":1}, "orig\u0069n" : "hs2", "edus" : [ {"edu_type" : "a", "content" : { "b" : 1.0 } }, 1, {"content" : [ 2 ], "edu_type" : "\u0062"} ] }
            """);
        var transaction = InboundTransaction.Read(body);

        Assert.That(transaction.Origin, Is.EqualTo("hs2"));
        Assert.That(transaction.Pdus.Select(Text), Is.EqualTo(new[] { """{"event_id" : "$1"}""", "1.5", "\"\\ud800\"", "[ ]" }));
        Assert.That(transaction.Edus.Select(edu => (edu.EduType, Text(edu.Content))), Is.EqualTo(new[] { ("a", """{ "b" : 1.0 }"""), ("b", "[ 2 ]") }));
    }

    [TestCase("pdus", 50)]
    [TestCase("edus", 100)]
    public void R83_a_transaction_holds_no_more_than_it_may(string name, int atMost)
    {
        byte[] Body(int count) => Encoding.UTF8.GetBytes($$"""{"{{name}}":[{{string.Join(",", Enumerable.Repeat("{}", count))}}]}""");
        Assert.That(() => InboundTransaction.Read(Body(atMost)), Throws.Nothing);
        Assert.That(() => InboundTransaction.Read(Body(atMost + 1)), Throws.TypeOf<ToDeviceErrorException>().With.Message.Contains($"at most {atMost} {name}"));
    }

    [TestCase("")]
    [TestCase("{")]
    [TestCase("{} {}")]
    [TestCase("""{"edus":[{"edu_type":"a",}]}""")]
    [TestCase("""{"edus":[""")]
    public void R4_a_body_that_is_not_JSON_is_told(string body) => Assert.That(
        () => InboundTransaction.Read(Encoding.UTF8.GetBytes(body)),
        Throws.TypeOf<ToDeviceErrorException>().With.Property("Error").Property("ErrorCode").EqualTo("M_NOT_JSON"));

    [Test]
    public void R4_a_body_that_is_not_UTF_8_is_told() => Assert.That(
        () => InboundTransaction.Read(new byte[] { (byte)'{', (byte)'"', 0xff, (byte)'"', (byte)':', (byte)'1', (byte)'}' }),
        Throws.TypeOf<ToDeviceErrorException>().With.Property("Error").Property("ErrorCode").EqualTo("M_NOT_JSON"));

    [Test]
    public async Task D15_a_transaction_of_ten_megabytes_that_nests_as_deep_as_it_is_long_is_read()
    {
        var deep = new string('[', 4_900_000) + new string(']', 4_900_000);
        var body = Encoding.UTF8.GetBytes($$"""{"x":1,"edus":[{"edu_type":"m.direct_to_device","content":{"messages":{"@bob:hs1":{"B1":{"v":{{deep}}} } } } },{"edu_type":"m.direct_to_device","content":{{EduToBob("""{"good":1}""")}}}]}""");

        var received = await Task.Run(async () => await Receiver.ReceiveTransactionAsync("hs2", body, default)).WaitAsync(TimeLimit.OfOneWait);

        Assert.That(received, Is.EqualTo(new ReceivedTransaction(Delivered: 1, Duplicates: 0, Dropped: 1)));
        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { """{"good":1}""" }));
    }

    /// <summary>Receives an EDU between two good ones.</summary>
    private async ValueTask<ReceivedTransaction> ReceiveBesideAsync(string edu)
    {
        var own = edu.Replace(InboundContents.User, "@bob:hs1", StringComparison.Ordinal).Replace(InboundContents.Device, "B1", StringComparison.Ordinal)
            .Replace(InboundContents.Sender, "@carol:hs2", StringComparison.Ordinal).Replace(InboundContents.MessageId, "m0", StringComparison.Ordinal);
        var good = Enumerable.Range(1, 2).Select(n => $$"""{"edu_type":"m.direct_to_device","content":{{EduToBob($$"""{"n":{{n}}}""", $"m{n}")}}}""").ToArray();
        return await Receiver.ReceiveTransactionAsync("hs2", Encoding.UTF8.GetBytes($$"""{"edus":[{{good[0]}},{{own}},{{good[1]}}]}"""), default);
    }

    private static string Text(ReadOnlyMemory<byte> json) => Encoding.UTF8.GetString(json.Span);
}
