namespace Matrix.ToDevice.Tests;

/// <summary>Several hosts on one database. Every request goes to any of them: retries move, and so do syncs.</summary>
/// <param name="connectionString">The database; a new one.</param>
/// <param name="hosts">How many hosts.</param>
/// <param name="fault">What dies, and comes back. Without it, one of the hosts.</param>
/// <param name="layout">How the tables are laid out.</param>
internal sealed class PostgreSqlTarget(
    string connectionString, int hosts, Func<Task>? fault = null, string layout = "OneMachine") : ICrashTarget
{
    private readonly PostgreSqlServerStore _store = new(connectionString);
    private readonly HostProcess[] _hosts = [.. Enumerable.Range(0, hosts)
        .Select(_ => new HostProcess("--Store", "postgresql", "--ConnectionStrings:PostgreSql", connectionString, "--ToDevice:PostgreSql:Layout", layout))];

    public Uri Address => Any().Address;

    /// <summary>Whether commits are slowed down and looked at, which a Citus cluster has no way for.</summary>
    public bool IsWatched { get; init; } = true;

    public async Task StartAsync()
    {
        if (IsWatched) await _store.SlowDownAsync();

        // All at once: they have to agree on who makes the tables.
        await Task.WhenAll(_hosts.Select(host => host.StartAsync()));
        Assert.That(await _store.IsDistributedAsync(), Is.EqualTo(layout != "OneMachine"));
        if (IsWatched) await _store.WatchAsync();
    }

    public Task CrashAsync(Func<IReadOnlyList<TransactionKey>> unanswered) => fault is null ? CrashHostAsync() : fault();

    /// <summary>One of the hosts, while the others go on.</summary>
    public async Task CrashHostAsync()
    {
        var host = Any();
        await host.KillAsync();
        await host.StartAsync();
    }

    /// <summary>All hosts stop; behind that they start with another layout.</summary>
    public async Task StopWhileAsync(Func<Task> work, string newLayout)
    {
        foreach (var host in _hosts) await host.KillAsync();
        await work();
        await Task.WhenAll(_hosts.Select(host => host.StartAsync("--ToDevice:PostgreSql:Layout", newLayout)));
    }

    /// <summary>What was accepted while a part of the database, or a host, was down is delivered behind the answer.</summary>
    public async Task DrainAsync()
    {
        if (layout == "OneMachine") return;

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        for (int waiting; (waiting = await _store.CountIntentsAsync()) > 0; await Task.Delay(100))
            Assert.That(limit.IsCancellationRequested, Is.False, $"{waiting} intents are not delivered");
    }

    public async Task<int> CountCommittedUnansweredAsync() => IsWatched ? await _store.CountFoundAgainAsync() : 0;

    public ValueTask DisposeAsync()
    {
        foreach (var host in _hosts) host.Dispose();
        return default;
    }

    private HostProcess Any() => _hosts[Random.Shared.Next(_hosts.Length)];
}
