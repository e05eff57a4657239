using System.Text;
using Matrix.ToDevice.Tests;
using Microsoft.AspNetCore.Http;

namespace LocalHomeserver.Tests;

/// <summary>How a transaction to another server ended, its status says (R84, R85).</summary>
internal sealed class TransactionAnswerTests
{
    private static readonly byte[] s_body = Encoding.UTF8.GetBytes("""{"edus":[],"origin":"hs1.localhost","origin_server_ts":1,"pdus":[]}""");

    private FakePeer _peer = null!;
    private Homeserver _server = null!;

    [SetUp]
    public async Task Start()
    {
        _peer = await FakePeer.StartAsync();
        _server = await Homeserver.StartAsync(
            "memory", "--ServerName", "hs1.localhost", $"--Federation:Peers:{FakePeer.Name}", _peer.Url, "--Federation:MaxPause", "00:00:00.1");
    }

    [TearDown]
    public async Task Stop()
    {
        await _server.DisposeAsync();
        await _peer.DisposeAsync();
    }

    [TestCase("")]
    [TestCase("ok")]
    [TestCase("<html>")]
    [TestCase("{")]
    [TestCase("null")]
    [TestCase("HUGE")]
    public async Task R84_a_200_is_a_200_whatever_is_in_it(string answer)
    {
        var huge = new byte[11 * 1024 * 1024];
        _peer.Answer = _ => Task.FromResult(answer == "HUGE" ? Results.Bytes(huge) : Results.Text(answer));
        await _server.Federation.SendTransactionAsync(FakePeer.Name, "1", s_body, default);

        var sender = await _server.RegisterAsync();
        (await sender.TrySendAsync($"@bob:{FakePeer.Name}", "*", "hello")).Ok();
        while ((await _server.Outbox.ListDestinationsAsync(null, 10, default)).Count > 0) await TimeLimit.OneMoreTurnAsync();

        Assert.That(_peer.Received, Has.Count.EqualTo(2), "each was sent once");
    }

    [TestCase(201)]
    [TestCase(204)]
    [TestCase(400)]
    [TestCase(503)]
    public void R84_anything_else_is_not(int status)
    {
        _peer.Answer = _ => Task.FromResult(Results.StatusCode(status));
        var error = Assert.ThrowsAsync<FederationException>(() => _server.Federation.SendTransactionAsync(FakePeer.Name, "1", s_body, default));
        Assert.That(error!.StatusCode, Is.EqualTo(status));
    }

    [Test]
    public async Task What_is_being_sent_when_the_server_stops_is_a_failure_like_others()
    {
        var arrived = new TaskCompletionSource();
        var answer = new TaskCompletionSource<IResult>();
        _peer.Answer = _ =>
        {
            arrived.SetResult();
            return answer.Task;
        };
        var client = _server.Federation;
        var sending = client.SendTransactionAsync(FakePeer.Name, "1", s_body, default);
        var waiting = client.SendTransactionAsync(FakePeer.Name, "2", s_body, default);
        await arrived.Task;

        client.Dispose();

        Assert.That(() => sending, Throws.TypeOf<FederationException>());
        Assert.That(() => waiting, Throws.TypeOf<FederationException>());
        Assert.That(() => client.SendTransactionAsync(FakePeer.Name, "3", s_body, default), Throws.TypeOf<FederationException>());
        answer.SetResult(FakePeer.Ok);
    }
}
