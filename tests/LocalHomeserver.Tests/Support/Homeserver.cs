using System.Diagnostics.Metrics;
using System.Text;
using System.Text.Json;
using Matrix.ToDevice;
using Matrix.ToDevice.Tests;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace LocalHomeserver.Tests;

/// <summary>The sample, running on a free port of this machine.</summary>
internal sealed class Homeserver : IAsyncDisposable
{
    public const string Password = "correct horse battery staple";

    private static int s_users;

    // Longer than any poll that a test asks for: a poll that is not woken fails the test instead of ending by itself.
    private readonly HttpClient _http = new(new SocketsHttpHandler { Expect100ContinueTimeout = TimeSpan.FromMinutes(1) })
    {
        Timeout = TimeSpan.FromMinutes(1),
    };

    private readonly WebApplication _app;
    private readonly string? _temporary;

    private Homeserver(WebApplication app, string? temporary) => (_app, _temporary) = (app, temporary);

    public string Url => _app.Urls.Single();

    public Clock Clock => (Clock)_app.Services.GetRequiredService<TimeProvider>();

    public FederationClient Federation => _app.Services.GetRequiredService<FederationClient>();

    public IFederationOutbox Outbox => _app.Services.GetRequiredService<IFederationOutbox>();

    public object MeterScope => _app.Services.GetRequiredService<IMeterFactory>();

    public ILoggerFactory Loggers => _app.Services.GetRequiredService<ILoggerFactory>();

    /// <summary>Starts it on a store of its own: a new folder or database, unless the settings name one.</summary>
    public static async Task<Homeserver> StartAsync(string store, params string[] settings)
    {
        var temporary = settings.Contains("--Data") ? null : Directory.CreateTempSubdirectory("local-homeserver-tests-").FullName;
        string[] data = temporary is null ? [] : ["--Data", temporary];
        // Exporters listen to all servers of a process: each would be told what all of them do.
        if (!settings.Contains("--Metrics")) data = [.. data, "--Metrics", "false"];
        if (store == "postgresql" && !settings.Contains(PostgreSql.Setting)) data = [.. data, PostgreSql.Setting, PostgreSql.NewDatabase()];
        var server = new Homeserver(
            Program.Build(["--urls", "http://127.0.0.1:0", "--PasswordIterations", "1", "--Store", store, .. data, .. settings], new Clock()),
            temporary);
        // Often in a one-time set-up, which nobody else bounds; and so is the end.
        await Task.Run(() => server._app.StartAsync()).WaitAsync(TimeLimit.OfOneWait);
        return server;
    }

    public Task StopAsync() => _app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await Task.Run(async () => await _app.DisposeAsync()).WaitAsync(TimeLimit.OfOneWait);
        if (_temporary is not null) Directory.Delete(_temporary, recursive: true);
    }

    /// <summary>A name that no other test uses.</summary>
    public static string NewName() => $"user{Interlocked.Increment(ref s_users)}";

    /// <summary>A new user with one device.</summary>
    public async Task<TestDevice> RegisterAsync(string? deviceId = null, bool refreshToken = false)
    {
        var reply = await SendAsync("POST", "/_matrix/client/v3/register", new
        {
            username = NewName(),
            password = Password,
            device_id = deviceId,
            refresh_token = refreshToken,
            auth = new { type = "m.login.dummy" },
        });
        return new TestDevice(this, reply.Ok());
    }

    /// <summary>Logs a user in.</summary>
    public async Task<TestDevice> LoginAsync(string userId, string? deviceId = null, bool refreshToken = false)
    {
        var reply = await SendAsync("POST", "/_matrix/client/v3/login", new
        {
            type = "m.login.password",
            identifier = new { type = "m.id.user", user = userId },
            password = Password,
            device_id = deviceId,
            refresh_token = refreshToken,
        });
        return new TestDevice(this, reply.Ok());
    }

    /// <summary>Sends a request; a string as body goes out as it is, anything else as JSON, and neither with a Content-Type.</summary>
    public async Task<Reply> SendAsync(string method, string pathAndQuery, object? body = null, string? token = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), Url + pathAndQuery);
        if (token is not null) request.Headers.Authorization = new("Bearer", token);
        if (body is not null) request.Content = new ByteArrayContent(body as byte[] ?? Encoding.UTF8.GetBytes(Text(body)));

        // What the server does not want, it says before it has got it, and closes the connection.
        request.Headers.ExpectContinue = request.Content?.Headers.ContentLength > 1024 * 1024;
        using var response = await _http.SendAsync(request);
        return await Reply.ReadAsync(response);

        static string Text(object body) => body as string ?? JsonSerializer.Serialize(body);
    }
}
