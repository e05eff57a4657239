using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>As whom an appservice acts; everybody else's token says that by itself.</summary>
public class AppserviceAssertionTests
{
    private const string AsToken = "the appservice's token";

    private TestHomeserver _server = null!;
    private TestClient _appservice = null!;
    private TestClient _bob = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _server = await TestHomeserver.StartAsync(builder =>
        {
            builder.UseAuth((context, cancellationToken) =>
            {
                var devices = context.RequestServices.GetRequiredService<TestDevices>();
                return MatrixAccessToken.Read(context) == AsToken
                    ? AppserviceAssertion.ResolveAsync(context, TestAppservices.Irc, devices, cancellationToken)
                    : devices.ResolveAsync(context, cancellationToken);
            });
        });
        _appservice = new TestClient(_server.Http, AsToken);
        _bob = _server.Login("@bob:hs1", "B1");
        _server.Devices.Add("@_irc_alice:hs1", "G1");
        _server.Devices.Add("@irc_bot:hs1", "BOT");
    }

    [TearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [TestCase("", "@irc_bot:hs1")]
    [TestCase("user_id=@_irc_alice:hs1", "@_irc_alice:hs1")]
    [TestCase("user_id=%40seen_alice%3Ahs1", "@seen_alice:hs1")]
    [TestCase("user_id=@irc_bot:hs1", "@irc_bot:hs1")]
    [TestCase("device_id=BOT", "@irc_bot:hs1")]
    [TestCase("user_id=@_irc_alice:hs1&device_id=G1", "@_irc_alice:hs1")]
    [TestCase("user_id=@_irc_alice:hs1&org.matrix.msc3202.device_id=G1", "@_irc_alice:hs1")]
    [TestCase("user_id=@_irc_alice:hs1&org.matrix.msc3202.device_id=G1&device_id=G1", "@_irc_alice:hs1")]
    public async Task R100_R101_an_appservice_acts_as_whom_it_says(string query, string sender)
    {
        (await SendAsync(_appservice, query)).ShouldBeAccepted();

        Assert.That((await _bob.SyncAsync()).Events.Select(message => message.Sender), Is.EqualTo(new[] { sender }));
    }

    [TestCase("user_id=@alice:hs1", 403, "M_FORBIDDEN")]
    [TestCase("user_id=@_irc_alice:hs2", 403, "M_FORBIDDEN", Description = "a user of another server")]
    [TestCase("user_id=@alice:hs1&device_id=G1", 403, "M_FORBIDDEN")]
    [TestCase("user_id=@_irc_alice:hs1&device_id=BOT", 400, "M_UNKNOWN_DEVICE")]
    [TestCase("user_id=@_irc_nobody:hs1&device_id=G1", 400, "M_UNKNOWN_DEVICE")]
    [TestCase("device_id=G1", 400, "M_UNKNOWN_DEVICE")]
    [TestCase("org.matrix.msc3202.device_id=G1", 400, "M_UNKNOWN_DEVICE")]
    [TestCase("user_id=", 400, "M_INVALID_PARAM")]
    [TestCase("user_id", 400, "M_INVALID_PARAM")]
    [TestCase("device_id=", 400, "M_INVALID_PARAM")]
    [TestCase("user_id=alice", 400, "M_INVALID_PARAM")]
    [TestCase("user_id=@_irc_alice", 400, "M_INVALID_PARAM")]
    [TestCase("user_id=@_irc_alice:hs1&user_id=@_irc_alice:hs1", 400, "M_INVALID_PARAM")]
    [TestCase("user_id=@_irc_alice:hs1&device_id=G1&device_id=G1", 400, "M_INVALID_PARAM")]
    [TestCase("user_id=@_irc_alice:hs1&org.matrix.msc3202.device_id=G1&device_id=G2", 400, "M_INVALID_PARAM")]
    public async Task R100_R101_an_appservice_cannot_act_as_anybody_else(string query, int status, string errorCode)
    {
        (await SendAsync(_appservice, query)).ShouldBe(status, errorCode);

        Assert.That((await _bob.SyncAsync()).Events, Is.Empty);
    }

    [Test]
    public async Task R101_D2_as_a_device_it_has_the_devices_transactions_and_without_one_the_users()
    {
        foreach (var query in new[] { "user_id=@_irc_alice:hs1", "user_id=@_irc_alice:hs1&device_id=G1" })
        {
            (await SendAsync(_appservice, query)).ShouldBeAccepted();
            (await SendAsync(_appservice, query)).ShouldBeAccepted();
        }

        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task R101_the_parameters_of_others_are_not_looked_at()
    {
        var alice = _server.Login("@alice:hs1", "A1");

        (await SendAsync(alice, "user_id=@_irc_alice:hs1&device_id=nonsense")).ShouldBeAccepted();
        (await SendAsync(alice, "user_id=&user_id=")).ShouldBeAccepted();

        Assert.That((await _bob.SyncAsync()).Events.Select(message => message.Sender), Is.EqualTo(new[] { "@alice:hs1" }), "one and its retry");
    }

    [Test]
    public async Task R62_a_sync_without_a_device_has_no_messages_and_one_as_a_device_has_them()
    {
        await _bob.SendAsync("t1", "@_irc_alice:hs1", "G1", """{"n":1}""");

        var without = await _appservice.SendAsync(HttpMethod.Get, "/_matrix/client/v3/sync?user_id=@_irc_alice:hs1");
        var with = await _appservice.SendAsync(HttpMethod.Get, "/_matrix/client/v3/sync?user_id=@_irc_alice:hs1&device_id=G1");

        Assert.That(without.Json.ContainsKey("to_device"), Is.False);
        Assert.That(with.Json["to_device"]!["events"]!.AsArray(), Has.Count.EqualTo(1), "nothing is pushed here");
    }

    private static Task<TestResponse> SendAsync(TestClient client, string query) =>
        client.PutAsync("m.test", $"t1?{query}", """{"messages":{"@bob:hs1":{"B1":{} } } }""");
}
