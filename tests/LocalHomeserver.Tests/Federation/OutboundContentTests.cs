using System.Collections.Concurrent;
using System.Text.Json;
using Matrix.ToDevice;
using Matrix.ToDevice.Tests;
using Microsoft.AspNetCore.Http;

namespace LocalHomeserver.Tests;

/// <summary>
/// Whatever a client sends to a user of another server, that server finds the signature right when it encodes the request again as a
/// server in Python does, or the client is told at once; and the next message arrives.
/// </summary>
internal sealed class OutboundContentTests
{
    private readonly ConcurrentQueue<string> _wrong = new();
    private FakePeer _peer = null!;
    private Homeserver _server = null!;
    private TestDevice _sender = null!;
    private byte[] _key = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        _peer = await FakePeer.StartAsync();
        _server = await Homeserver.StartAsync(
            "memory", "--ServerName", "hs1.localhost", $"--Federation:Peers:{FakePeer.Name}", _peer.Url, "--Federation:MaxPause", "00:00:00.1");
        _sender = await _server.RegisterAsync();
        var keys = (await _server.SendAsync("GET", "/_matrix/key/v2/server")).Ok().GetProperty("verify_keys");
        _key = UnpaddedBase64.Decode(keys.EnumerateObject().Single().Value.String("key"))!;
        _peer.Answer = transaction => Task.FromResult(IsRight(transaction) ? FakePeer.Ok : Results.StatusCode(401));
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        if (_server is not null) await _server.DisposeAsync();
        if (_peer is not null) await _peer.DisposeAsync();
    }

    [TestCaseSource(typeof(OutboundContents), nameof(OutboundContents.Taken))]
    public async Task D20_what_is_taken_is_signed_as_a_server_in_Python_encodes_it_and_the_next_one_arrives(string value, string canonical)
    {
        var recipient = NewRecipient();
        (await SendAsync(recipient, $$"""{"text":"it","b":1.0,"v":{{value}}}""")).Ok();
        (await SendAsync(recipient, """{"text":"good"}""")).Ok();

        await Eventually.IsAsync(() => ContentsOf(recipient).Count == 2, "Both arrive");
        Assert.That(ContentsOf(recipient), Is.EqualTo(new[] { $$"""{"b":1,"text":"it","v":{{canonical}}}""", """{"text":"good"}""" }));
        Assert.That(_wrong, Is.Empty);
    }

    [TestCaseSource(typeof(OutboundContents), nameof(OutboundContents.Refused))]
    public Task D20_what_has_no_canonical_form_is_told_and_the_next_one_arrives(string value) => IsToldAsync(value, 400, "M_BAD_JSON");

    [TestCaseSource(typeof(OutboundContents), nameof(OutboundContents.TooLarge))]
    public Task D16_D20_what_grows_too_large_is_told_and_the_next_one_arrives(string value) => IsToldAsync(value, 413, "M_TOO_LARGE");

    [Test]
    public async Task D20_what_an_older_version_has_left_in_the_outbox_goes_out_in_canonical_form_too()
    {
        var recipient = NewRecipient();
        var store = (ITransactionStore)_server.Outbox;
        await using (var transaction = await store.BeginAsync(
            new TransactionKey("@old:hs1.localhost", "OLD", TransactionKey.SendToDevice, "m.test", "1"), store.KnownRemovals, default))
        {
            var content = $$"""{"sender":"@old:hs1.localhost","type":"m.test","message_id":"old","messages":{"{{recipient}}":{"*":{"v":[1e3,-0,"\u0061"],"a":1.0} } } }""";
            await _server.Outbox.AppendAsync(transaction!, [new OutboundEdu(FakePeer.Name, "old", System.Text.Encoding.UTF8.GetBytes(content))], default);
            Assert.That(await transaction!.CommitAsync(default), Is.EqualTo(CommitResult.Committed));
        }

        (await SendAsync(recipient, """{"text":"good"}""")).Ok();

        await Eventually.IsAsync(() => ContentsOf(recipient).Count == 2, "Both arrive");
        Assert.That(ContentsOf(recipient), Is.EqualTo(new[] { """{"a":1,"v":[1000,0,"a"]}""", """{"text":"good"}""" }));
        Assert.That(_wrong, Is.Empty);
    }

    private async Task IsToldAsync(string value, int status, string errorCode)
    {
        var recipient = NewRecipient();
        (await SendAsync(recipient, $$"""{"v":{{value}}}""")).IsError(status, errorCode);
        (await SendAsync(recipient, """{"text":"good"}""")).Ok();

        await Eventually.IsAsync(() => ContentsOf(recipient).Count > 0, "The good one arrives");
        Assert.That(ContentsOf(recipient), Is.EqualTo(new[] { """{"text":"good"}""" }));
        Assert.That(_wrong, Is.Empty);
    }

    private static string NewRecipient() => $"@{Homeserver.NewName()}:{FakePeer.Name}";

    private Task<Reply> SendAsync(string recipient, string content) => _sender.CallAsync(
        "PUT", $"/sendToDevice/m.t%C3%A9st/{Guid.NewGuid()}", $$"""{"messages":{"{{recipient}}":{"*":{{content}} } } }""");

    private bool IsRight(ReceivedTransaction transaction)
    {
        var authorization = transaction.Authorization!;
        var signed = $$"""{"content":{{transaction.Text}},"destination":"{{FakePeer.Name}}","method":"PUT","origin":"{{authorization.Origin}}","uri":"/_matrix/federation/v1/send/{{transaction.TransactionId}}"}""";
        var isRight = Ed25519.Verify(_key, PythonJson.Encode(signed), UnpaddedBase64.Decode(authorization.Signature)!);
        if (!isRight) _wrong.Enqueue(transaction.Text);
        return isRight;
    }

    /// <summary>The contents for a user, as they came.</summary>
    private List<string> ContentsOf(string recipient) =>
    [
        .. _peer.Received.SelectMany(transaction => transaction.Edus).Select(edu => edu.GetProperty("content").GetProperty("messages"))
            .Where(messages => messages.Has(recipient)).Select(messages => messages.GetProperty(recipient).GetProperty("*").GetRawText()),
    ];
}
