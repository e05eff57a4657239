using Matrix.ToDevice.Tests;

namespace LocalHomeserver.Tests;

/// <summary>
/// Homeservers that talk to each other: <c>hs1.localhost</c> sends to the others over wires; each can be stopped and started again.
/// </summary>
internal sealed class FederatedServers : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("local-homeserver-tests-").FullName;
    private readonly string _store;
    private readonly string[] _settings;
    private readonly string[] _urls;
    private readonly string?[] _databases;
    private readonly Homeserver?[] _running;
    private readonly Wire?[] _wires;

    private FederatedServers(string store, int count, string[] settings)
    {
        (_store, _settings) = (store, settings);
        _urls = [.. Enumerable.Range(0, count).Select(_ => $"http://127.0.0.1:{LoopbackPort.Unused()}")];
        _databases = [.. _urls.Select(_ => store == "postgresql" ? PostgreSql.NewDatabase() : null)];
        (_running, _wires) = (new Homeserver?[count], new Wire?[count]);
    }

    /// <summary>Starts them. They try again often, so that nobody has to wait for long.</summary>
    public static async Task<FederatedServers> StartAsync(string store, int count, params string[] settings)
    {
        var servers = new FederatedServers(
            store, count, ["--Federation:MaxPause", "00:00:00.2", "--Federation:LeaseDuration", "00:00:02", .. settings]);
        for (var i = 1; i < count; i++) servers._wires[i] = await Wire.StartAsync(servers._urls[i]);
        for (var number = 1; number <= count; number++) await servers.StartAsync(number);
        return servers;
    }

    public Homeserver this[int number] => _running[number - 1]!;

    /// <summary>The name of a server.</summary>
    public static string Name(int number) => $"hs{number}.localhost";

    /// <summary>The way from the first server to another one.</summary>
    public Wire WireTo(int number) => _wires[number - 1]!;

    /// <summary>The database or the folder of a server.</summary>
    public string DataOf(int number) => _databases[number - 1] ?? Path.Combine(_folder, Name(number));

    public async Task StopAsync(int number)
    {
        await this[number].DisposeAsync();
        _running[number - 1] = null;
    }

    public async Task StartAsync(int number)
    {
        var peers = Enumerable.Range(1, _urls.Length).Where(peer => peer != number)
            .SelectMany(peer => (string[])[$"--Federation:Peers:{Name(peer)}", number == 1 ? WireTo(peer).Url : _urls[peer - 1]]);
        string[] data = _databases[number - 1] is { } database ? [PostgreSql.Setting, database] : [];
        _running[number - 1] = await Homeserver.StartAsync(
            _store, ["--ServerName", Name(number), "--urls", _urls[number - 1], "--Data", Path.Combine(_folder, Name(number)), .. data, .. peers, .. _settings]);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _running)
            if (server is not null) await server.DisposeAsync();
        foreach (var wire in _wires)
            if (wire is not null) await wire.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
