using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Matrix.ToDevice.Tests;

namespace LocalHomeserver.Tests;

/// <summary>The sample as a process of its own, whose metrics are nobody else's, with a server that is down and a bridge.</summary>
internal sealed class MonitoredServer : IAsyncDisposable
{
    private readonly string _data = Directory.CreateTempSubdirectory("local-homeserver-tests-").FullName;
    private readonly HttpClient _http = new() { Timeout = TimeLimit.OfOneWait };
    private readonly FakeAppservice _bridge;
    private readonly HostProcess _host;

    private MonitoredServer(FakeAppservice bridge, string store, string[] settings)
    {
        _bridge = bridge;
        _host = new HostProcess([
            "--ServerName", "hs1.localhost", "--Store", store, "--Data", _data, "--PasswordIterations", "1", "--ToDevice:StatisticsInterval", "00:00:01",
            // Nobody listens there.
            "--Federation:Peers:hs2.localhost", $"http://127.0.0.1:{LoopbackPort.Unused()}", "--Federation:MaxPause", "00:00:01",
            "--Appservices:0", bridge.Registration, .. settings]);
    }

    public Uri Address => _host.Address;

    /// <summary>The file that its messages are in.</summary>
    public string Messages => Path.Combine(_data, "to-device.db");

    public static async Task<MonitoredServer> StartAsync(string store = "sqlite", params string[] settings)
    {
        var server = new MonitoredServer(await FakeAppservice.StartAsync(), store, settings);
        await server._host.StartAsync().WaitAsync(TimeLimit.OfOneWait);
        return server;
    }

    /// <summary>A new user with one device.</summary>
    public async Task<Device> RegisterAsync(string username, string deviceId)
    {
        var login = (await SendAsync("POST", "register", null, new
        {
            username,
            password = Homeserver.Password,
            device_id = deviceId,
            auth = new { type = "m.login.dummy" },
        })).Ok();
        return new Device(this, login.String("user_id"), deviceId, login.String("access_token"));
    }

    /// <summary>One more device of a user.</summary>
    public async Task<Device> LoginAsync(string userId, string deviceId)
    {
        var login = (await SendAsync("POST", "login", null, new
        {
            type = "m.login.password",
            identifier = new { type = "m.id.user", user = userId },
            password = Homeserver.Password,
            device_id = deviceId,
        })).Ok();
        return new Device(this, userId, deviceId, login.String("access_token"));
    }

    /// <summary>A user of the bridge with one device.</summary>
    public async Task<Device> AddGhostAsync()
    {
        var userId = (await SendAsync("POST", "register", FakeAppservice.AsToken, new
        {
            type = "m.login.application_service",
            username = "_bridge_ghost",
            inhibit_login = true,
        })).Ok().String("user_id");
        Assert.That((await SendAsync("PUT", $"devices/G1?user_id={userId}", FakeAppservice.AsToken, new { })).Status, Is.EqualTo(201));
        return new Device(this, userId, "G1", FakeAppservice.AsToken);
    }

    /// <summary>What it shows to Prometheus.</summary>
    public Task<string> MetricsAsync() => _http.GetStringAsync(new Uri(Address, "metrics"));

    public async ValueTask DisposeAsync()
    {
        _host.Dispose();
        _http.Dispose();
        await _bridge.DisposeAsync();
        Directory.Delete(_data, recursive: true);
    }

    private async Task<Reply> SendAsync(string method, string path, string? token, object? body = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(Address, $"_matrix/client/v3/{path}"));
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (body is not null) request.Content = new StringContent(body as string ?? JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        using var response = await _http.SendAsync(request);
        return await Reply.ReadAsync(response);
    }

    /// <summary>A logged-in device.</summary>
    internal sealed record Device(MonitoredServer Server, string UserId, string DeviceId, string Token)
    {
        public Task<Reply> SendAsync(string userId, string deviceId, string txnId, string eventType = "m.room.encrypted") =>
            PutAsync(eventType, txnId, TestDevice.Messages(userId, deviceId, txnId));

        public Task<Reply> PutAsync(string eventType, string txnId, object body) =>
            Server.SendAsync("PUT", $"sendToDevice/{eventType}/{txnId}", Token, body);

        public async Task<Sync> SyncAsync(string? since = null, int timeout = 0) =>
            Sync.Of((await Server.SendAsync("GET", $"sync?timeout={timeout}{(since is null ? "" : $"&since={since}")}", Token)).Ok());
    }
}
