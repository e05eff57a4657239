namespace Matrix.ToDevice.Tests;

/// <summary>Two servers, each with a store of its own: the senders' and the receivers'. One of them is killed, or both are.</summary>
/// <param name="sending">What the senders' server knows.</param>
/// <param name="receiving">What the receivers' server knows.</param>
/// <param name="sendingHosts">How many hosts the senders' server has.</param>
/// <param name="seed">Repeats the choice of who is killed.</param>
internal sealed class FederationTarget(IServerStore sending, IServerStore receiving, int sendingHosts, int seed) : ICrashTarget
{
    private static readonly TimeSpan s_drain = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(50);

    private readonly Random _random = new(seed);
    private readonly Queue<string> _victims = new();
    private readonly HostProcess[] _senders = [.. Enumerable.Range(0, sendingHosts)
        .Select(_ => new HostProcess(["--ServerName", "hs1", "--Federation:MaxPause", "00:00:00.1", "--Federation:LeaseDuration", "00:00:01", .. sending.Settings]))];
    private readonly HostProcess _receiver = new(["--ServerName", "hs2", .. receiving.Settings]);

    public Uri Address => AnySender().Address;

    public Uri ReceiverAddress => _receiver.Address;

    public int MaxBacklog => 100;

    /// <summary>How often a host of the senders' server was killed.</summary>
    public int SenderKills { get; private set; }

    /// <summary>How often the receivers' server was killed.</summary>
    public int ReceiverKills { get; private set; }

    public async Task StartAsync()
    {
        await Task.WhenAll([StartReceiverAsync(), .. _senders.Select(StartSenderAsync)]);
        await receiving.WatchAsync();
    }

    public async Task CrashAsync(Func<IReadOnlyList<TransactionKey>> unanswered)
    {
        // Each of the three as often as the others, in an order that is left to chance.
        if (_victims.Count == 0)
        {
            string[] all = ["sender", "receiver", "both"];
            _random.Shuffle(all);
            foreach (var one in all) _victims.Enqueue(one);
        }

        var victim = _victims.Dequeue();
        var sender = AnySender();
        await Task.WhenAll(
            victim != "receiver" ? sender.KillAsync() : Task.CompletedTask, victim != "sender" ? _receiver.KillAsync() : Task.CompletedTask);
        if (victim != "receiver") SenderKills++;
        if (victim != "sender") ReceiverKills++;
        await Task.WhenAll(
            victim != "receiver" ? StartSenderAsync(sender) : Task.CompletedTask, victim != "sender" ? StartReceiverAsync() : Task.CompletedTask);
    }

    public async Task DrainAsync()
    {
        using var limit = new CancellationTokenSource(s_drain);
        while (await sending.CountWaitingEdusAsync() is var waiting and > 0)
        {
            Assert.That(limit.IsCancellationRequested, Is.False, $"{waiting} EDUs still wait.");
            await Task.Delay(s_look, CancellationToken.None);
        }
    }

    /// <summary>EDUs that had been delivered when a kill kept the senders' server from knowing it.</summary>
    public Task<int> CountCommittedUnansweredAsync() => receiving.CountFoundAgainAsync();

    public ValueTask DisposeAsync()
    {
        foreach (var host in _senders) host.Dispose();
        _receiver.Dispose();
        sending.Dispose();
        receiving.Dispose();
        return default;
    }

    private HostProcess AnySender() => _senders[Random.Shared.Next(_senders.Length)];

    private Task StartSenderAsync(HostProcess host) => host.StartAsync("--Federation:Peers:hs2", Base(_receiver));

    // Keys are asked for at the first of the hosts.
    private Task StartReceiverAsync() => _receiver.StartAsync("--Federation:Peers:hs1", Base(_senders[0]));

    private static string Base(HostProcess host) => host.Address.GetLeftPart(UriPartial.Authority);
}
