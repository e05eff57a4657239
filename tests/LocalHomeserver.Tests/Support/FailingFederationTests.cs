namespace LocalHomeserver.Tests;

/// <summary>The sender of the first server sends to the receiver of the second one, and something fails.</summary>
internal abstract class FailingFederationTests(string store)
{
    protected string Store => store;

    protected static readonly string[] Three = ["one", "two", "three"];

    protected FederatedServers Servers { get; private set; } = null!;

    protected TestDevice Sender { get; private set; } = null!;

    protected TestDevice Receiver { get; private set; } = null!;

    /// <summary>The way from the first server to the second one.</summary>
    protected Wire Wire => Servers.WireTo(2);

    [SetUp]
    public async Task Start()
    {
        Servers = await FederatedServers.StartAsync(store, 3);
        Sender = await Servers[1].RegisterAsync();
        Receiver = await Servers[2].RegisterAsync();
    }

    [TearDown]
    public async Task Stop()
    {
        if (Servers is not null) await Servers.DisposeAsync();
    }

    protected async Task SendThreeAsync()
    {
        foreach (var text in Three) await Sender.SendAsync(Receiver, text);
    }

    /// <summary>Whenever a transaction came again, it was under its ID with its EDUs, and no EDU was in two.</summary>
    protected void TransactionsWereRepeatedAsTheyWere()
    {
        var bodies = Wire.Seen.ToLookup(transaction => transaction.TransactionId, transaction => transaction.Text);
        Assert.That(bodies.Select(same => same.Distinct().Count()), Is.All.EqualTo(1));
        Assert.That(bodies.Max(same => same.Count()), Is.GreaterThan(1));
        Assert.That(bodies.SelectMany(same => new ReceivedTransaction(same.Key, null, same.First()).MessageIds), Is.Unique);
    }
}
