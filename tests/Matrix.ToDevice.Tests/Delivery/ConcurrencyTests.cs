using System.Text.Json;

namespace Matrix.ToDevice.Tests;

[Category("Slow")]
public class ConcurrencyTests
{
    [Test]
    public async Task R40_concurrent_duplicates_deliver_once()
    {
        await using var server = await TestHomeserver.StartAsync();
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");

        for (var round = 0; round < 20; round++)
        {
            var txnId = $"t{round}";
            var content = $$"""{"round":{{round}}}""";
            var responses = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => alice.SendAsync(txnId, "@bob:hs1", "B1", content)));
            foreach (var response in responses) response.ShouldBeAccepted();
        }

        Assert.That((await bob.SyncAsync()).Contents, Is.EqualTo(Enumerable.Range(0, 20).Select(round => $$"""{"round":{{round}}}""")));
    }

    /// <summary>
    /// Senders write to all devices at once while every device reads and acknowledges: each device must see every message
    /// once, and those of each sender in the order of their 200s.
    /// </summary>
    [Test]
    public async Task D4_D12_readers_beside_writers_skip_nothing_and_see_each_senders_order()
    {
        const int Senders = 8, Sends = 60, Readers = 4;
        await using var server = await TestHomeserver.StartAsync();
        var readers = Enumerable.Range(0, Readers).Select(i => server.Login("@bob:hs1", $"B{i}")).ToArray();
        var senders = Enumerable.Range(0, Senders).Select(i => server.Login($"@sender{i}:hs1", "S")).ToArray();

        var sending = Task.WhenAll(senders.Select(async (sender, s) =>
        {
            for (var n = 0; n < Sends; n++)
                (await sender.SendAsync($"t{n}", "@bob:hs1", "*", $$"""{"n":{{n}}}""")).ShouldBeAccepted();
        }));
        var seen = await Task.WhenAll(readers.Select(reader => ReadAsync(reader, Senders * Sends)));
        await sending;

        foreach (var events in seen)
        {
            foreach (var bySender in events.GroupBy(message => message.Sender))
            {
                var numbers = bySender.Select(message => JsonDocument.Parse(message.Content).RootElement.GetProperty("n").GetInt32());
                Assert.That(numbers, Is.EqualTo(Enumerable.Range(0, Sends)), bySender.Key);
            }

            // One commit, one order: whoever got both of two sends got them in the same order.
            Assert.That(events, Is.EqualTo(seen[0]));
        }
    }

    /// <summary>Whoever sees a send in one inbox sees it in all.</summary>
    [Test]
    public async Task D4_the_messages_of_a_send_become_visible_together()
    {
        await using var server = await TestHomeserver.StartAsync();
        var alice = server.Login("@alice:hs1", "A1");
        server.Login("@bob:hs1", "first");
        server.Login("@bob:hs1", "last");
        using var stop = new CancellationTokenSource();

        var watching = Task.Run(async () =>
        {
            var looks = 0;
            while (!stop.IsCancellationRequested)
            {
                // The order of these two matters: what is in the one is in the other by the time we look there.
                foreach (var (here, there) in new[] { ("first", "last"), ("last", "first") })
                {
                    var before = await CountAsync(server, here);
                    Assert.That(await CountAsync(server, there), Is.GreaterThanOrEqualTo(before));
                    looks++;
                }
            }

            return looks;
        });
        for (var n = 0; n < 300; n++) (await alice.SendAsync($"t{n}", "@bob:hs1", "*")).ShouldBeAccepted();
        await stop.CancelAsync();

        Assert.That(await watching, Is.Positive);
    }

    private static async Task<int> CountAsync(TestHomeserver server, string deviceId)
    {
        using var batch = await server.ToDevice.NextAsync(
            new DeviceAddress("@bob:hs1", deviceId), null, limit: 1000, TimeSpan.Zero, default);
        return batch.Events.Count;
    }

    private static async Task<List<TestSync.Event>> ReadAsync(TestClient reader, int expected)
    {
        var seen = new List<TestSync.Event>();
        string? since = null;
        while (seen.Count < expected)
        {
            var sync = await reader.SyncAsync(since, timeout: 60_000);
            Assert.That(sync.Events, Is.Not.Empty, $"a minute passed after {seen.Count} of {expected} messages");
            seen.AddRange(sync.Events);
            since = sync.NextBatch;
        }

        Assert.That((await reader.SyncAsync(since)).Events, Is.Empty);
        return seen;
    }
}
