using System.Text.Json;

namespace LocalHomeserver.Tests;

/// <summary>What other servers say in EDUs about their users' devices, before clients are told.</summary>
[TestFixture("memory")]
[TestFixture("sqlite")]
[TestFixture("postgresql", Category = "Slow")]
internal sealed class PeerEduTests(string store)
{
    private const string Bob = $"@bob:{FakePeer.Name}";

    private FakePeer _peer = null!;
    private Homeserver _server = null!;

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

    private static IEnumerable<string> BadContents()
    {
        foreach (var userId in (string[])[
            $"@b\\u0000b:{FakePeer.Name}", $"@b\\nb:{FakePeer.Name}", $"@b\\u001b[2J:{FakePeer.Name}", $"@b\\u007f:{FakePeer.Name}",
            $"bob:{FakePeer.Name}", $"@bob{FakePeer.Name}", $"@{new string('x', 300)}:{FakePeer.Name}", $"@{new string('ü', 125)}:{FakePeer.Name}",
            $"@{new string('x', 5000)}:{FakePeer.Name}", $"@bob:{FakePeer.Name}:8448", "@bob:hs1.localhost", ""])
        {
            yield return $$"""{"user_id":"{{userId}}","device_id":"D"}""";
        }

        foreach (var userId in (string[])["null", "7", "[]", "{}"]) yield return $$"""{"user_id":{{userId}},"device_id":"D"}""";
        foreach (var deviceId in (string[])["null", "7", "[]", "{}", "\"*\"", "\"D\\u0000\"", "\"D\\n\"", $"\"{new string('x', 300)}\"", $"\"{new string('x', 5000)}\""])
            yield return $$"""{"user_id":"{{Bob}}","device_id":{{deviceId}}}""";
        foreach (var content in (string[])["{}", "null", "[]", "7", "\"x\""]) yield return content;
    }

    [TestCase("m.device_list_update")]
    [TestCase("m.signing_key_update")]
    public async Task D15_an_EDU_that_names_nobody_tells_clients_nothing_and_the_ones_beside_it_are_taken(string eduType)
    {
        var alice = await _server.RegisterAsync();

        // She is told about everybody whom she writes to, whatever they are called.
        foreach (var content in BadContents())
        {
            if (JsonElement.Parse(content) is { ValueKind: JsonValueKind.Object } json && json.TryGetProperty("user_id", out var userId)
                && userId.ValueKind == JsonValueKind.String)
            {
                (await alice.TrySendAsync(userId.GetString()!, "*", "hello")).Ok();
            }
        }

        var since = (await alice.SyncAsync()).NextBatch;
        (await PutAsync([.. BadContents()])).Ok();
        Assert.That((await alice.SyncAsync(since)).Changed(), Is.Empty);

        await alice.TrySendAsync(Bob, "*", "hello");
        (await PutAsync([.. BadContents(), $$"""{"user_id":"{{Bob}}","device_id":"D","keys":{{new string('[', 300) + new string(']', 300)}}}"""])).Ok();
        Assert.That((await alice.SyncAsync(since)).Changed(), Is.EqualTo(new[] { Bob }));

        Task<Reply> PutAsync(string[] contents)
        {
            var edus = string.Join(",", contents.Select(content => $$"""{"edu_type":"{{eduType}}","content":{{content}}}"""));
            return _peer.PutAsync(_server, $$"""{"origin":"{{FakePeer.Name}}","origin_server_ts":1,"pdus":[],"edus":[{{edus}}]}""");
        }
    }
}
