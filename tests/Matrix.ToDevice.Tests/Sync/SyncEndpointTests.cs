using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Matrix.ToDevice.Tests;

/// <summary><c>MapToDeviceSync()</c>: what a host's own <c>/sync</c> does around the module.</summary>
public class SyncEndpointTests
{
    private const int LongTime = 120_000;
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);

    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private TestClient _bob = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _server = await TestHomeserver.StartAsync();
        _alice = _server.Login("@alice:hs1", "A1");
        _bob = _server.Login("@bob:hs1", "B1");
    }

    [TearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    /// <summary>The token ends, the device lives on: somebody else has it now, and its mail.</summary>
    [Test]
    public async Task D17_a_token_that_was_revoked_during_the_wait_gets_nothing()
    {
        var since = (await _bob.SyncAsync()).NextBatch;
        var poll = await BeginPollAsync(_bob, since);

        _server.Devices.Remove("@bob:hs1", "B1");
        var later = _server.Login("@bob:hs1", "B1");
        (await _alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""")).ShouldBeAccepted();

        (await poll.WaitAsync(s_limit)).ShouldBe(401, "M_UNKNOWN_TOKEN");
        Assert.That((await later.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":1}""" }));
    }

    [Test]
    public async Task D17_a_token_that_came_to_be_another_devices_during_the_wait_gets_nothing()
    {
        var since = (await _bob.SyncAsync()).NextBatch;
        var poll = await BeginPollAsync(_bob, since);

        _server.Devices.Answer(_bob.Token, AuthResult.Success("@bob:hs1", "B2"));
        (await _alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        (await poll.WaitAsync(s_limit)).ShouldBe(401, "M_UNKNOWN_TOKEN");
    }

    [Test]
    public async Task R57_a_host_that_stops_answers_those_who_wait()
    {
        var since = (await _bob.SyncAsync()).NextBatch;
        var poll = await BeginPollAsync(_bob, since);
        var withoutDevice = _server.Login(AuthResult.Success(Requester.WithoutDevice("@bridge:hs1")));
        var other = withoutDevice.SendAsync(HttpMethod.Get, $"/_matrix/client/v3/sync?since=n&timeout={LongTime}");

        _server.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();

        var sync = new TestSync(await poll.WaitAsync(s_limit));
        Assert.That(sync.Events, Is.Empty);
        Assert.That(sync.NextBatch, Is.EqualTo(since));
        Assert.That((await other.WaitAsync(s_limit)).Status, Is.EqualTo(200));
    }

    private async Task<Task<TestResponse>> BeginPollAsync(TestClient client, string since)
    {
        using var waiting = WaitingSyncs.Of(_server.Services);
        var poll = client.SendAsync(HttpMethod.Get, $"/_matrix/client/v3/sync?timeout={LongTime}&since={since}");
        await waiting.ReachesAsync(1);
        return poll;
    }
}
