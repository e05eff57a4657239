using Matrix.ToDevice.Tests;

namespace LocalHomeserver.Tests;

/// <summary>Another server that sends more than <c>--ToDevice:RateLimits:Servers</c> lets it.</summary>
internal sealed class LimitedOriginTests
{
    [Test]
    public async Task D14_D15_it_is_asked_to_try_again_and_loses_nothing()
    {
        await using var peer = await FakePeer.StartAsync();
        await using var server = await Homeserver.StartAsync(
            "memory", "--ServerName", "hs1.localhost", $"--Federation:Peers:{FakePeer.Name}", peer.Url,
            "--ToDevice:RateLimits:Servers:Burst", "100", "--ToDevice:RateLimits:Servers:PerSecond", "1");
        var receiver = await server.RegisterAsync();
        var edus = string.Join(',', Enumerable.Range(0, 100).Select(n => Edu(receiver, $"{n}")));
        (await peer.PutAsync(server, $"{{\"edus\":[{edus}]}}", "1")).Ok();

        var last = $"{{\"edus\":[{Edu(receiver, "end")}]}}";
        (await peer.PutAsync(server, last, "2")).IsError(429, "M_LIMIT_EXCEEDED");
        while ((await peer.PutAsync(server, last, "2")).Status != 200) await TimeLimit.OneMoreTurnAsync();

        Assert.That(await receiver.ReceivesUntilAsync("end"), Is.EqualTo(Enumerable.Range(0, 100).Select(n => $"{n}")));
    }

    /// <summary>What a part of it had taken would be taken again by each retry.</summary>
    [Test]
    public async Task D15_a_full_transaction_gets_through_however_often_it_comes_again()
    {
        await using var peer = await FakePeer.StartAsync();
        await using var server = await Homeserver.StartAsync(
            "memory", "--ServerName", "hs1.localhost", $"--Federation:Peers:{FakePeer.Name}", peer.Url,
            "--ToDevice:RateLimits:Servers:Burst", "100", "--ToDevice:RateLimits:Servers:PerSecond", "25");
        var receiver = await server.RegisterAsync();
        (await peer.PutAsync(server, Transaction(0, 100), "1")).Ok();

        var full = Transaction(100, 200);
        (await peer.PutAsync(server, full, "2")).IsError(429, "M_LIMIT_EXCEEDED");
        while ((await peer.PutAsync(server, full, "2")).Status != 200) await TimeLimit.OneMoreTurnAsync();
        (await peer.PutAsync(server, full, "2")).IsError(429, "M_LIMIT_EXCEEDED");

        Assert.That(await receiver.ReceivesUntilAsync("199"), Is.EqualTo(Enumerable.Range(0, 199).Select(n => $"{n}")));

        string Transaction(int from, int to) =>
            $"{{\"edus\":[{string.Join(',', Enumerable.Range(from, to - from).Select(n => Edu(receiver, $"{n}")))}]}}";
    }

    private static string Edu(TestDevice receiver, string text) =>
        $$"""{"edu_type":"m.direct_to_device","content":{"sender":"@alice:{{FakePeer.Name}}","type":"m.test","message_id":"{{text}}","messages":{"{{receiver.UserId}}":{"*":{"text":"{{text}}"} } } } }""";
}
