using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>What may stand in a log (D17).</summary>
public class LoggingTests
{
    private static readonly string[] s_secrets = ["SECRETCONTENT", "@recipient:hs1", "RECIPIENTDEVICE", "@recipient:hs2", "REMOTEDEVICE"];

    private CapturedLog _log = null!;
    private TestHomeserver _server = null!;
    private TestClient _sender = null!;
    private TestClient _recipient = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _log = new CapturedLog();
        _server = await TestHomeserver.StartAsync(builder =>
        {
            _log.AddTo(builder, LogLevel.Trace);
            HookedStore.Add(builder);
        });
        _sender = _server.Login("@sender:hs1", "SENDER");
        _recipient = _server.Login("@recipient:hs1", "RECIPIENTDEVICE");
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        _log.Dispose();
    }

    [Test]
    public async Task D17_no_token_content_or_recipient_is_logged_above_Debug()
    {
        const string Body = """
            {"messages":{"@recipient:hs1":{"RECIPIENTDEVICE":{"k":"SECRETCONTENT","org.matrix.msgid":"ID1"}},"@recipient:hs2":{"REMOTEDEVICE":{"k":"SECRETCONTENT"}}}}
            """;
        (await _sender.PutAsync("m.test", "t1", Body)).ShouldBeAccepted();
        (await _sender.PutAsync("m.test", "t1", Body)).ShouldBeAccepted();
        (await _sender.PutAsync("m.test", "t2", Body + "}")).ShouldBe(400, "M_NOT_JSON");
        (await _sender.PutAsync("m.test", "t2", Body.Replace("{\"k", "{\"RECIPIENTDEVICE\":7,\"k", StringComparison.Ordinal))).ShouldBeAccepted();
        (await _sender.SendAsync("t3", "@recipient:hs1", "RECIPIENTDEVICE", $"{{\"k\":\"{new string('x', 70_000)}SECRETCONTENT\"}}")).ShouldBe(413, "M_TOO_LARGE");
        (await new TestClient(_server.Http, "SECRETTOKEN").PutAsync("m.test", "t1", Body)).ShouldBe(401, "M_UNKNOWN_TOKEN");
        (await _sender.SendAsync(HttpMethod.Put, "/_matrix/client/v3/sendToDevice/m.test/t4?access_token=SECRETTOKEN", new StringContent(Body))).ShouldBeAccepted();
        Hooks.BeforeCommit = () => throw new IOException("disk full");
        (await _sender.PutAsync("m.test", "t5", Body)).ShouldBe(503, "M_UNKNOWN");
        await _recipient.SyncAsync((await _recipient.SyncAsync()).NextBatch);
        (await _recipient.SendAsync(HttpMethod.Get, "/_matrix/client/v3/sync?since=SECRETTOKEN")).ShouldBe(400, "M_INVALID_PARAM");

        string[] tokens = ["SECRETTOKEN", _sender.Token, _recipient.Token];
        foreach (var (level, _, text) in _log.Entries)
        {
            foreach (var token in tokens) Assert.That(text, Does.Not.Contain(token), "at no level");
            Assert.That(text, Does.Not.Contain("SECRETCONTENT"), "at no level");
            if (level <= LogLevel.Debug) continue;
            foreach (var secret in s_secrets) Assert.That(text, Does.Not.Contain(secret));
        }

        // The test has looked at something.
        Assert.That(_log.Entries.Select(entry => entry.Level), Has.Some.EqualTo(LogLevel.Debug).And.Some.EqualTo(LogLevel.Error));
    }

    [Test]
    public async Task D17_org_matrix_msgid_is_logged_from_the_send_to_the_sync()
    {
        await SendAsync("""{"a":{"org.matrix.msgid":"wrong"},"b":["x"],"org.matrix.msgid":"ID1"}""");
        Assert.That(Informed(), Has.Exactly(1).Contains("ID1").And.Contains("@sender:hs1").And.Contains("m.test"));

        await _recipient.SyncAsync();
        Assert.That(Informed(), Has.Exactly(2).Contains("ID1"));
    }

    [TestCase("""{"org.matrix.msgid":7}""")]
    [TestCase("""{"org.matrix.msgid":{"org.matrix.msgid":"ID1"}}""")]
    [TestCase("""{"org.matrix.msgid":"a\nb"}""")]
    [TestCase("""{"k":"org.matrix.msgid","x":["org.matrix.msgid","ID1"]}""")]
    [TestCase("""{"org.matrix.msgid2":"ID1"}""")]
    [TestCase("""{}""")]
    public async Task D17_what_is_no_message_ID_is_not_logged(string content)
    {
        await SendAsync(content);
        await _recipient.SyncAsync();

        Assert.That(Informed(), Is.Empty);
    }

    [Test]
    public async Task D17_a_message_ID_is_bounded()
    {
        await SendAsync($$"""{"org.matrix.msgid":"{{new string('x', 100)}}"}""");
        Assert.That(Informed(), Has.Exactly(1).Items);
        await SendAsync($$"""{"org.matrix.msgid":"{{new string('x', 101)}}"}""");
        Assert.That(Informed(), Has.Exactly(1).Items);
    }

    [Test]
    public async Task D3_a_failure_of_the_store_is_logged_as_an_error_with_its_exception()
    {
        Hooks.BeforeCommit = () => throw new IOException("disk full");

        (await _sender.SendAsync("t1", "@recipient:hs1", "RECIPIENTDEVICE")).ShouldBe(503, "M_UNKNOWN");

        Assert.That(_log.Entries.Where(entry => entry.Level == LogLevel.Error).Select(entry => entry.Text),
            Has.Exactly(1).Contains("System.IO.IOException: disk full"));
    }

    /// <summary>Whoever can write lines of the log can make an operator believe anything.</summary>
    [Test]
    public async Task D24_a_log_line_is_one_line_whatever_others_have_named()
    {
        const string Breaks = "a\n\r\t\u001b[2J\u007f\u0085\u2028\u2029b";
        var eventType = Uri.EscapeDataString($"m.{Breaks}");
        (await _sender.SendAsync("t1", "@recipient:hs1", "*", "{\"org.matrix.msgid\":\"a\u2028b\u0085c\"}", eventType)).ShouldBeAccepted();
        (await _sender.SendAsync("t1", "@recipient:hs1", "*", "{}", eventType)).ShouldBeAccepted();
        var stranger = _server.Login($"@{Breaks}:hs1", Breaks);
        (await stranger.SendAsync("t1", "@recipient:hs1", "*")).ShouldBeAccepted();
        (await _server.Login(AuthResult.Forbidden(Breaks)).SendAsync("t1", "@recipient:hs1", "*")).ShouldBe(403, "M_FORBIDDEN");
        await _recipient.SyncAsync();
        await _server.Services.GetRequiredService<FederationReceiver>().ReceiveAsync(Breaks, "[]"u8.ToArray(), default);

        foreach (var (_, id, text) in _log.Entries)
            Assert.That(text.Trim(), Does.Not.Match(@"[\p{Cc}\u2028\u2029]"), id.ToString());
        Assert.That(_log.Entries.Select(entry => entry.Id.Id).Distinct(), Is.SupersetOf(new[] { 2, 3, 4, 10, 11, 13 }));
        Assert.That(_log.Entries.Select(entry => entry.Text), Has.Some.Contains(@"m.a\u000a\u000d\u0009\u001b[2J\u007f\u0085\u2028\u2029b"));
    }

    private HookedStore Hooks => _server.Services.GetRequiredService<HookedStore>();

    private IEnumerable<string> Informed() => _log.Entries.Where(entry => entry.Level == LogLevel.Information).Select(entry => entry.Text);

    private async Task SendAsync(string content) =>
        (await _sender.SendAsync($"{Guid.NewGuid()}", "@recipient:hs1", "RECIPIENTDEVICE", content)).ShouldBeAccepted();
}
