using System.Text;

namespace LocalHomeserver.Tests;

/// <summary>Whatever another server answers, its caller gets an answer or a <see cref="FederationException"/>, and nothing else.</summary>
internal sealed class ClientAnswerTests
{
    private const string User = $"@bob:{FakePeer.Name}";

    private static readonly string s_path = $"/_matrix/federation/v1/user/devices/{User}";

    private FakePeer _peer = null!;
    private Homeserver _server = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        _peer = await FakePeer.StartAsync();
        _server = await Homeserver.StartAsync("memory", "--ServerName", "hs1.localhost", $"--Federation:Peers:{FakePeer.Name}", _peer.Url);
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        if (_server is not null) await _server.DisposeAsync();
        if (_peer is not null) await _peer.DisposeAsync();
    }

    [TestCase("")]
    [TestCase("{")]
    [TestCase("null")]
    [TestCase("1.5")]
    [TestCase("[]")]
    [TestCase("\"\\ud800\"")]
    [TestCase("""{"user_id":"\ud800"}""")]
    [TestCase("""{"\ud800xxx":1,"user_id":"@bob:hs2.localhost","stream_id":1,"devices":[{"device_id":"\udc00"}]}""")]
    [TestCase("""{"user_id":"@bob:hs2.localhost","stream_id":1.5,"devices":[]}""")]
    [TestCase("""{"user_id":"@carol:hs2.localhost","stream_id":1,"devices":[]}""")]
    [TestCase("""{"user_id":"@bob:hs2.localhost","stream_id":1,"devices":[{"device_id":"A","keys":DEEP}]}""")]
    [TestCase("DEEP")]
    [TestCase("""{"DEEP":DEEP}""")]
    public void D24_an_answer_that_is_none_is_a_failure_of_that_server(string answer)
    {
        foreach (var depth in answer.Contains("DEEP", StringComparison.Ordinal) ? [100, 1000, 2_000_000] : new[] { 0 })
        {
            _peer.Answers[s_path] = answer.Replace("DEEP", new string('[', depth) + new string(']', depth), StringComparison.Ordinal);
            Assert.That(() => _server.Federation.GetUserDevicesAsync(FakePeer.Name, User, default), Throws.TypeOf<FederationException>(), $"{depth}");
        }
    }

    [Test]
    public async Task D24_an_answer_that_is_not_UTF_8_is_a_failure_of_that_server()
    {
        _peer.Answers[s_path] = $$"""{"user_id":"{{User}}","stream_id":1,"devices":[],"x":"é"}""";
        await _server.Federation.GetUserDevicesAsync(FakePeer.Name, User, default);

        _peer.AnswersIn = Encoding.Latin1;
        Assert.That(
            () => _server.Federation.SendAsync(HttpMethod.Get, FakePeer.Name, s_path, null, default),
            Throws.TypeOf<FederationException>().With.Message.Contains("JSON"));
        _peer.AnswersIn = Encoding.UTF8;
    }
}
