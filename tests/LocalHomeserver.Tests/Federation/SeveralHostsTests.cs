using Matrix.ToDevice.Tests;
using Microsoft.AspNetCore.Http;

namespace LocalHomeserver.Tests;

/// <summary>Hosts on one PostgreSQL database that together are one server send to another one as if they were one host.</summary>
[Category("Slow")]
internal sealed class SeveralHostsTests
{
    private static readonly string[] s_sending =
        ["--ServerName", "hs1.localhost", "--Federation:MaxPause", "00:00:00.2", "--Federation:LeaseDuration", "00:00:02"];

    [Test]
    public async Task R84_R89_D16_a_server_gets_one_transaction_at_a_time_whichever_host_sends_it()
    {
        var url = $"http://127.0.0.1:{LoopbackPort.Unused()}";
        await using var wire = await Wire.StartAsync(url);
        var database = PostgreSql.NewDatabase();
        Task<Homeserver> StartHostAsync() => Homeserver.StartAsync(
            "postgresql", [PostgreSql.Setting, database, "--Federation:Peers:hs2.localhost", wire.Url, .. s_sending]);
        await using var one = await StartHostAsync();
        await using var two = await StartHostAsync();
        await using var three = await StartHostAsync();
        await using var peer = await Homeserver.StartAsync(
            "postgresql", "--ServerName", "hs2.localhost", "--urls", url, "--Federation:Peers:hs1.localhost", one.Url);
        var receiver = await peer.RegisterAsync();
        var senders = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => one.RegisterAsync()));

        // Each sender goes round the hosts, so that an EDU waits that another host has to send.
        Homeserver[] hosts = [one, two, three];
        await Task.WhenAll(senders.Select(async sender =>
        {
            for (var i = 0; i < 60; i++) await sender.At(hosts[i % 3]).SendAsync(receiver, $"{sender.UserId} {i:00}");
        }));
        await senders[0].SendAsync(receiver, "end");

        var received = await receiver.ReceivesUntilAsync("end");
        Assert.That(received, Has.Length.EqualTo(4 * 60));
        foreach (var sender in senders)
        {
            Assert.That(
                received.Where(text => text.StartsWith(sender.UserId + " ", StringComparison.Ordinal)),
                Is.EqualTo(Enumerable.Range(0, 60).Select(i => $"{sender.UserId} {i:00}")));
        }

        Assert.That(wire.MostUnderWay, Is.EqualTo(1));
        Assert.That(wire.Seen.SelectMany(transaction => transaction.MessageIds), Is.Unique, "nothing failed, so that nothing was sent twice");
    }

    [Test]
    public async Task R84_D16_a_host_that_dies_is_replaced_and_its_transaction_is_repeated_as_it_was()
    {
        var answer = new TaskCompletionSource<IResult>();
        await using var peer = await FakePeer.StartAsync();
        peer.Answer = _ => answer.Task;
        var database = PostgreSql.NewDatabase();
        string[] sending = [PostgreSql.Setting, database, $"--Federation:Peers:{FakePeer.Name}", peer.Url, .. s_sending];
        await using var notSending = await Homeserver.StartAsync("postgresql", PostgreSql.Setting, database, "--ServerName", "hs1.localhost");
        var sender = await notSending.RegisterAsync();
        using var first = new HostProcess(["--Store", "postgresql", .. sending]);
        await first.StartAsync();
        await SendAsync("one");
        await Eventually.IsAsync(() => peer.Received.Count == 1, "The first host sends");
        await using var second = await Homeserver.StartAsync("postgresql", sending);
        await SendAsync("two");

        // As long as the first host waits for its answer, it keeps the destination, for longer than a lease lasts.
        for (var renewals = 0; renewals < 5; renewals++)
        {
            var before = TakenUntil();
            await Eventually.IsAsync(() => TakenUntil() != before, "The lease is renewed");
        }

        Assert.That(peer.Received, Has.Count.EqualTo(1));

        await first.KillAsync();
        await Eventually.IsAsync(() => peer.Received.Count == 2, "The second host takes over");
        answer.SetResult(FakePeer.Ok);
        await Eventually.IsAsync(() => peer.Received.Count == 3, "And goes on");

        var transactions = peer.Received.ToList();
        Assert.That((transactions[1].TransactionId, transactions[1].Text), Is.EqualTo((transactions[0].TransactionId, transactions[0].Text)));
        Assert.That(transactions[1].MessageIds, Has.Length.EqualTo(1));
        Assert.That(transactions[2].MessageIds, Has.Length.EqualTo(1).And.Not.EqualTo(transactions[1].MessageIds));

        string TakenUntil() => PostgreSql.Query(database, "SELECT taken_until::text FROM to_device.to_device_lease");

        async Task SendAsync(string text)
        {
            using var http = new HttpClient();
            using var request = new HttpRequestMessage(HttpMethod.Put, new Uri(first.Address, $"_matrix/client/v3/sendToDevice/m.test/{text}"));
            request.Headers.Authorization = new("Bearer", sender.Token);
            request.Content = new StringContent($$"""{"messages":{"@bob:{{FakePeer.Name}}":{"*":{"text":"{{text}}"} } } }""");
            using var response = await http.SendAsync(request);
            response.EnsureSuccessStatusCode();
        }
    }
}
