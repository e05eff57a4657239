namespace Matrix.ToDevice.Tests;

/// <summary>A server, and an appservice whose users the receivers are. One of them dies, or both do.</summary>
internal sealed class AppserviceTarget : ICrashTarget
{
    private static readonly TimeSpan s_drain = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(50);

    private readonly Random _random;
    private readonly Queue<string> _victims = new();
    private readonly IServerStore _store;
    private readonly HostProcess[] _hosts;

    /// <param name="store">What the server knows.</param>
    /// <param name="hosts">How many hosts it has.</param>
    /// <param name="seed">Repeats the choice of who is killed.</param>
    public AppserviceTarget(IServerStore store, int hosts, int seed)
    {
        (_random, _store) = (new Random(seed), store);
        Bridge = new Bridge(() => Address, seed);
        _hosts = [.. Enumerable.Range(0, hosts).Select(_ => new HostProcess(
            ["--Federation:MaxPause", "00:00:00.1", "--Federation:LeaseDuration", "00:00:01", "--Appservices:0", Bridge.Registration, .. store.Settings]))];
    }

    public Uri Address => AnyHost().Address;

    public Uri ReceiverAddress => Bridge.Address;

    public int MaxBacklog => 100;

    public Bridge Bridge { get; }

    /// <summary>How often a host was killed.</summary>
    public int HostKills { get; private set; }

    public async Task StartAsync()
    {
        await Bridge.StartAsync();
        await Task.WhenAll(_hosts.Select(host => host.StartAsync()));
    }

    public async Task CrashAsync(Func<IReadOnlyList<TransactionKey>> unanswered)
    {
        // Each of the three as often as the others, in an order that is left to chance.
        if (_victims.Count == 0)
        {
            string[] all = ["server", "appservice", "both"];
            _random.Shuffle(all);
            foreach (var one in all) _victims.Enqueue(one);
        }

        var victim = _victims.Dequeue();
        var host = AnyHost();
        if (victim != "server") Bridge.Die();
        if (victim != "appservice")
        {
            await host.KillAsync();
            HostKills++;
            await host.StartAsync();
        }
        else
        {
            // This is not waiting for something: some pushes fail.
            await Task.Delay(_random.Next(50, 500), CancellationToken.None);
        }

        Bridge.Live();
    }

    public async Task DrainAsync()
    {
        using var limit = new CancellationTokenSource(s_drain);
        while (await _store.CountWaitingEdusAsync() is var waiting and > 0)
        {
            Assert.That(limit.IsCancellationRequested, Is.False, $"{waiting} entries still wait.");
            await Task.Delay(s_look, CancellationToken.None);
        }
    }

    /// <summary>Transactions that the appservice had when a kill, or the loss of its answer, kept the server from knowing it.</summary>
    public Task<int> CountCommittedUnansweredAsync() => Task.FromResult(Bridge.Repeated);

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts) host.Dispose();
        await Bridge.DisposeAsync();
        _store.Dispose();
    }

    private HostProcess AnyHost() => _hosts[Random.Shared.Next(_hosts.Length)];
}
