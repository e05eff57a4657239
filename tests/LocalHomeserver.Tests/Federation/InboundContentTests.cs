using Matrix.ToDevice.Tests;

namespace LocalHomeserver.Tests;

/// <summary>
/// Whatever a user of another server makes that server send, the transaction is answered 200, and what is beside it in the transaction
/// and behind it arrives.
/// </summary>
[TestFixture("memory")]
[TestFixture("sqlite")]
[TestFixture("postgresql", Category = "Slow")]
internal sealed class InboundContentTests(string store)
{
    private const string Sender = $"@mallory:{FakePeer.Name}";

    private FakePeer _peer = null!;
    private Homeserver _server = null!;
    private TestDevice _receiver = null!;

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

    [TestCaseSource(typeof(InboundContents), nameof(InboundContents.Delivered))]
    public async Task D9_D20_a_content_arrives_as_it_was_written(string content)
    {
        await PutAsync(Edu("""{"text":"first"}"""), Edu(content), Edu("""{"text":"last"}"""));

        var sync = (await _receiver.TrySyncAsync()).Text;
        Assert.That(sync, Does.Contain($"\"content\":{content}"));
        Assert.That(sync, Does.Contain("\"text\":\"first\"").And.Contain("\"text\":\"last\""));
    }

    [TestCaseSource(typeof(InboundContents), nameof(InboundContents.LeftOut))]
    [TestCaseSource(typeof(InboundContents), nameof(InboundContents.Dropped))]
    public async Task D15_D20_D24_what_cannot_be_delivered_harms_nothing_beside_it(string value)
    {
        await PutAsync(Edu("""{"text":"first"}"""), value.StartsWith("{\"v\":", StringComparison.Ordinal) ? Edu(value) : Own(value), Edu("""{"text":"last"}"""));
        Assert.That(await _receiver.ReceivesUntilAsync("last"), Is.EqualTo(new[] { "first" }));
    }

    [TestCaseSource(typeof(InboundContents), nameof(InboundContents.DeliveredBeside))]
    public async Task D15_D20_D24_what_nobody_needs_to_know_harms_nothing(string edu)
    {
        await PutAsync(Edu("""{"text":"first"}"""), Own(edu), Edu("""{"text":"last"}"""));
        Assert.That(await _receiver.ReceivesUntilAsync("last"), Is.EqualTo(new[] { "first", "beside" }));
    }

    [TestCase("""{"pdus":null}""")]
    [TestCase("""{"edus":null}""")]
    [TestCase("""{"pdus":null,"edus":null,"origin":null}""")]
    [TestCase("""{"\ud800xxxx":1.5,"x":"\ud800","x":[]}""")]
    [TestCase("""{"pdus":[null,1.5,"\ud800",[],{"event_id":"\ud800"},{"event_id":1},{"\ud800xxxxxx":1,"\ud800":1}]}""")]
    public async Task D15_D20_a_transaction_with_nothing_in_it_is_answered(string body)
    {
        Assert.That((await _peer.PutAsync(_server, body)).Ok().GetRawText(), Is.EqualTo("""{"pdus":{}}"""));
        await PutAsync(Edu("""{"text":"last"}"""));
        Assert.That(await _receiver.ReceivesUntilAsync("last"), Is.Empty);
    }

    [Test]
    public async Task D20_what_a_server_in_Python_makes_of_numbers_is_what_it_has_signed()
    {
        var content = """{"text":"it","v":[1.5,1e3,-0.0,-0,9007199254740992,1000000000000000000000000000000,0.1e-6]}""";
        var text = System.Text.Encoding.UTF8.GetString(PythonJson.Encode(Transaction(Edu(content), Edu("""{"text":"last"}"""))));
        Assert.That(text, Does.Contain("[1.5,1000.0,-0.0,0,9007199254740992,1000000000000000000000000000000,1e-07]"));

        (await _peer.PutAsync(_server, text)).Ok();

        Assert.That(await _receiver.ReceivesUntilAsync("last"), Is.EqualTo(new[] { "it" }));
    }

    [Test]
    public async Task D15_a_transaction_that_nests_as_deep_as_ten_megabytes_allow_is_answered()
    {
        const int Depth = 4_900_000;
        var deep = new string('[', Depth) + new string(']', Depth);
        await PutAsync(Edu($$"""{"v":{{deep}}}"""), Edu("""{"text":"last"}"""));
        Assert.That(await _receiver.ReceivesUntilAsync("last"), Is.Empty);
    }

    private async Task PutAsync(params string[] edus) => (await _peer.PutAsync(_server, Transaction(edus), $"{Guid.NewGuid()}")).Ok();

    private static string Transaction(params string[] edus) =>
        $$"""{"origin":"{{FakePeer.Name}}","origin_server_ts":1,"pdus":[],"edus":[{{string.Join(",", edus)}}]}""";

    /// <summary>An EDU with one message for the receiver.</summary>
    private string Edu(string content) => Own(
        $$"""{"edu_type":"m.direct_to_device","content":{"sender":"$SENDER","type":"m.test","message_id":"$ID","messages":{"$USER":{"$DEVICE":{{content}} } } } }""");

    private string Own(string edu) => edu
        .Replace(InboundContents.User, _receiver.UserId, StringComparison.Ordinal)
        .Replace(InboundContents.Device, _receiver.DeviceId, StringComparison.Ordinal)
        .Replace(InboundContents.Sender, Sender, StringComparison.Ordinal)
        .Replace(InboundContents.MessageId, $"{Guid.NewGuid():N}", StringComparison.Ordinal);
}
