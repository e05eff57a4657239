using Matrix.ToDevice;

namespace LocalHomeserver.Tests;

/// <summary>The example of docs/federation.md for a homeserver that has a queue of its own.</summary>
[TestFixture("memory")]
[TestFixture("sqlite")]
[TestFixture("postgresql", Category = "Slow")]
internal sealed class OwnQueueTests(string store)
{
    private readonly List<FederationTransaction> _sent = [];

    [Test]
    public async Task D16_what_waits_for_other_servers_can_be_read_in_order_until_it_is_removed()
    {
        // Nobody listens there, and the homeserver's own sender waits for long after it has noticed that.
        await using var server = await Homeserver.StartAsync(
            store, "--Federation:Peers:hs2.localhost", "http://127.0.0.1:1", "--Federation:Peers:hs3.localhost", "http://127.0.0.1:1");
        var sender = await server.RegisterAsync();
        foreach (var text in new[] { "one", "two" })
            (await sender.TrySendAsync("@bob:hs2.localhost", "*", text)).Ok();
        (await sender.TrySendAsync("@bob:hs3.localhost", "*", "three")).Ok();

        await SendAllAsync(server.Outbox, default);

        Assert.That(_sent.Select(transaction => (transaction.Destination, transaction.Edus.Count)), Is.EquivalentTo(new[] { ("hs2.localhost", 2), ("hs3.localhost", 1) }));
        Assert.That(await server.Outbox.ListDestinationsAsync(null, 10, default), Is.Empty);
    }

    private async Task SendAllAsync(IFederationOutbox outbox, CancellationToken cancellationToken)
    {
        // <own-queue>
        foreach (var destination in await outbox.ListDestinationsAsync(after: null, limit: 100, cancellationToken))
        {
            if (Appservice.IsDestination(destination)) continue;
            var edus = await outbox.ReadAsync(destination, after: 0, limit: 100, cancellationToken);
            if (edus.Count == 0) continue;
            var transaction = new FederationTransaction(destination, TransactionIdOf(edus), edus);
            // The same ones until the destination has answered 200, whatever comes in behind them.
            if (await SendUntilReceivedAsync(transaction, cancellationToken))
                await outbox.RemoveAsync(destination, edus, cancellationToken);
        }
        // </own-queue>
    }

    private static string TransactionIdOf(IReadOnlyList<OutboxEntry> edus) => edus[0].MessageId;

    private Task<bool> SendUntilReceivedAsync(FederationTransaction transaction, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _sent.Add(transaction);
        return Task.FromResult(true);
    }
}
