using System.Text;
using Microsoft.AspNetCore.Http;

namespace LocalHomeserver.Tests;

/// <summary>How the sample takes what other servers answer to its transactions.</summary>
[TestFixture("memory")]
[TestFixture("sqlite", Category = "Slow")]
[TestFixture("postgresql", Category = "Slow")]
internal sealed class PeerAnswerTests(string store)
{
    private const string Recipient = $"@bob:{FakePeer.Name}";

    private FakePeer _peer = null!;
    private Homeserver _server = null!;
    private TestDevice _sender = null!;

    [SetUp]
    public async Task Start()
    {
        _peer = await FakePeer.StartAsync();
        _server = await StartAsync(FakePeer.Name);
        _sender = await _server.RegisterAsync();
    }

    [TearDown]
    public async Task Stop()
    {
        if (_server is not null) await _server.DisposeAsync();
        if (_peer is not null) await _peer.DisposeAsync();
    }

    [Test]
    public async Task A_transaction_is_signed_for_its_destination_and_says_its_origin()
    {
        (await _sender.TrySendAsync(Recipient, "*", "hello")).Ok();
        await TextsBecomeAsync("hello");

        var transaction = _peer.Received.Single();
        var document = (await _server.SendAsync("GET", "/_matrix/key/v2/server")).Ok();
        var key = document.GetProperty("verify_keys").GetProperty(transaction.Authorization!.Key).String("key");
        var uri = $"/_matrix/federation/v1/send/{transaction.TransactionId}";
        using (Assert.EnterMultipleScope())
        {
            Assert.That(transaction.Authorization.IsSigned(UnpaddedBase64.Decode(key), FakePeer.Name, "PUT", uri, Encoding.UTF8.GetBytes(transaction.Text)), Is.True);
            Assert.That((transaction.Authorization.Origin, transaction.Authorization.Destination), Is.EqualTo(("hs1.localhost", FakePeer.Name)));
            Assert.That(transaction.Body.String("origin"), Is.EqualTo("hs1.localhost"));
            Assert.That(transaction.Body.GetProperty("origin_server_ts").GetInt64(), Is.Positive);
            Assert.That(transaction.Body.GetProperty("pdus").GetArrayLength(), Is.Zero);
        }
    }

    [TestCase(500)]
    [TestCase(502)]
    [TestCase(429)]
    [TestCase(401)]
    [TestCase(403)]
    [TestCase(404)]
    [TestCase(204)]
    [TestCase(302)]
    public async Task R84_D16_after_any_other_answer_the_same_transaction_comes_again(int status)
    {
        _peer.Answer = _ => Task.FromResult(_peer.Received.Count < 3 ? Results.StatusCode(status) : FakePeer.Ok);

        (await _sender.TrySendAsync(Recipient, "*", "hello")).Ok();
        await Eventually.IsAsync(() => _peer.Received.Count >= 3, "It comes again");
        (await _sender.TrySendAsync(Recipient, "*", "end")).Ok();
        await TextsBecomeAsync("hello", "hello", "hello", "end");

        var first = _peer.Received.Take(3).ToList();
        Assert.That(first.Select(transaction => (transaction.TransactionId, transaction.Text)).Distinct().Count(), Is.EqualTo(1));
    }

    [Test]
    public async Task R90_a_transaction_that_is_too_large_for_the_peer_is_split()
    {
        _peer.Answer = transaction => Task.FromResult(
            transaction.Edus.Length > 2 ? Results.StatusCode(413) : _peer.IsDown ? Results.StatusCode(503) : FakePeer.Ok);
        _peer.IsDown = true;
        string[] texts = [.. Enumerable.Range(0, 10).Select(i => $"{i}")];
        foreach (var text in texts) (await _sender.TrySendAsync(Recipient, "*", text)).Ok();

        _peer.IsDown = false;
        (await _sender.TrySendAsync(Recipient, "*", "end")).Ok();

        await Eventually.IsAsync(() => Accepted(2).LastOrDefault() == "end", "All of them go through");
        Assert.That(Accepted(2), Is.SupersetOf(texts));
    }

    [TestCase(400)]
    [TestCase(413)]
    [TestCase(401)]
    [TestCase(403)]
    public async Task D16_an_EDU_that_the_peer_refuses_by_itself_does_not_hold_up_those_behind_it(int status)
    {
        _peer.Answer = transaction => Task.FromResult(
            TextsOf(transaction).Contains("bad") ? Results.StatusCode(status) : FakePeer.Ok);

        foreach (var text in new[] { "one", "bad", "two", "end" }) (await _sender.TrySendAsync(Recipient, "*", text)).Ok();

        await Eventually.IsAsync(() => Good().LastOrDefault() == "end", "Those behind it go through");
        Assert.That(Good(), Is.EqualTo(new[] { "one", "two", "end" }));

        List<string> Good() => [.. _peer.Received.Where(transaction => !TextsOf(transaction).Contains("bad")).SelectMany(TextsOf)];
    }

    [Test]
    public async Task D16_a_peer_that_asks_to_be_left_alone_is()
    {
        // One peer under two names, which fails under both; under one of them it says when to come again.
        await _server.DisposeAsync();
        _server = await StartAsync(FakePeer.Name, "--Federation:Peers:hs3.localhost", _peer.Url, "--Federation:MaxPause", "02:00:00");
        _sender = await _server.RegisterAsync();
        _peer.Answer = transaction => Task.FromResult(Failure(transaction.Authorization!.Destination == FakePeer.Name ? 3600 : null));

        (await _sender.TrySendAsync(Recipient, "*", "hello")).Ok();
        (await _sender.TrySendAsync("@bob:hs3.localhost", "*", "hello")).Ok();
        await Eventually.IsAsync(() => To("hs3.localhost") >= 3, "A peer that says nothing is tried again soon");

        Assert.That(To(FakePeer.Name), Is.EqualTo(1));

        int To(string name) => _peer.Received.Count(transaction => transaction.Authorization!.Destination == name);
        static IResult Failure(int? retryAfter) => new Unavailable(retryAfter);
    }

    private Task<Homeserver> StartAsync(string name, params string[] settings) => Homeserver.StartAsync(
        store, ["--ServerName", "hs1.localhost", $"--Federation:Peers:{name}", _peer.Url, "--Federation:MaxPause", "00:00:00.2", .. settings]);

    private Task TextsBecomeAsync(params string[] texts) => Eventually.IsAsync(
        () => _peer.Received.SelectMany(TextsOf).SequenceEqual(texts), $"The peer gets {string.Join(", ", texts)}");

    /// <summary>The texts of the transactions that had at most so many EDUs.</summary>
    private List<string> Accepted(int atMost) =>
        [.. _peer.Received.Where(transaction => transaction.Edus.Length <= atMost).SelectMany(TextsOf)];

    private static List<string> TextsOf(ReceivedTransaction transaction) =>
    [
        .. transaction.Edus.Select(edu => edu.GetProperty("content").GetProperty("messages").EnumerateObject().Single().Value.GetProperty("*").String("text")),
    ];

    private sealed class Unavailable(int? retryAfter) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.StatusCode = 503;
            if (retryAfter is not null) httpContext.Response.Headers.RetryAfter = $"{retryAfter}";
            return Task.CompletedTask;
        }
    }
}
