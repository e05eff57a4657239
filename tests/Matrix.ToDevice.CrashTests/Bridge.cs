using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// An appservice whose users sync with it, and not with the homeserver. It keeps a transaction in one step with its ID, knows one that
/// comes again by that, and now and then dies between the two and its answer.
/// </summary>
internal sealed class Bridge : IAsyncDisposable
{
    private const string AsToken = "as", HsToken = "hs";
    private const int AnswerIsLostOneIn = 5;

    private readonly Lock _lock = new();
    private readonly Random _random;
    private readonly Dictionary<string, string> _transactions = [];
    private readonly Dictionary<string, List<JsonNode>> _inboxes = [];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("todevice-crash-");
    private readonly HttpClient _homeserver;
    private readonly WebApplication _app;
    private volatile bool _isDown;

    public Bridge(Func<Uri> homeserver, int seed)
    {
        _random = new Random(seed);
        _homeserver = new HttpClient();
        _homeserver.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AsToken);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.MapPut("/_matrix/app/v1/transactions/{txnId}", TakeAsync);
        _app.MapPost("/_matrix/client/v3/register", (JsonObject body) => RegisterAsync(homeserver(), (string)body["username"]!, body));
        _app.MapPost("/_matrix/client/v3/login", (JsonObject body) => AddDeviceAsync(homeserver(), (string)body["identifier"]!["user"]!, body));
        _app.MapGet("/_matrix/client/v3/sync", SyncAsync);
    }

    public Uri Address => new(_app.Urls.Single());

    /// <summary>The registration file.</summary>
    public string Registration => Path.Combine(_folder.FullName, "registration.yaml");

    /// <summary>How many transactions it has.</summary>
    public int Kept
    {
        get
        {
            lock (_lock) return _transactions.Count;
        }
    }

    /// <summary>How many transactions came again after it had kept them.</summary>
    public int Repeated { get; private set; }

    /// <summary>How many of them were not the same any more.</summary>
    public int Altered { get; private set; }

    public async Task StartAsync()
    {
        await _app.StartAsync();
        await File.WriteAllTextAsync(Registration, $$"""
            id: bridge
            url: {{Address}}
            as_token: {{AsToken}}
            hs_token: {{HsToken}}
            sender_localpart: bridgebot
            namespaces: { users: [{ exclusive: true, regex: "@receiver:.*" }] }
            """);
    }

    /// <summary>It takes nothing, until it is there again.</summary>
    public void Die() => _isDown = true;

    public void Live() => _isDown = false;

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _homeserver.Dispose();
        _folder.Delete(recursive: true);
    }

    private async Task TakeAsync(HttpContext context, string txnId)
    {
        using var reader = new StreamReader(context.Request.Body);
        var body = await reader.ReadToEndAsync();
        lock (_lock)
        {
            if (_isDown || context.Request.Headers.Authorization != $"Bearer {HsToken}")
            {
                context.Abort();
                return;
            }

            if (_transactions.TryGetValue(txnId, out var before))
            {
                Repeated++;
                if (before != body) Altered++;
            }
            else
            {
                _transactions.Add(txnId, body);
                foreach (var message in JsonNode.Parse(body)!["to_device"]!.AsArray()) InboxOf((string)message!["to_device_id"]!).Add(message.DeepClone());
            }

            // However few there are, one is.
            if (_random.Next(AnswerIsLostOneIn) == 0 || (_transactions.Count == 1 && Repeated == 0))
            {
                context.Abort();
                return;
            }
        }

        await context.Response.WriteAsJsonAsync(new { });
    }

    private async Task<IResult> RegisterAsync(Uri homeserver, string name, JsonObject body)
    {
        using var response = await _homeserver.PostAsJsonAsync(
            new Uri(homeserver, "_matrix/client/v3/register"), new { type = "m.login.application_service", username = name, inhibit_login = true });
        response.EnsureSuccessStatusCode();
        return await AddDeviceAsync(homeserver, name, body);
    }

    private async Task<IResult> AddDeviceAsync(Uri homeserver, string name, JsonObject body)
    {
        var (userId, deviceId) = ($"@{name}:localhost", (string)body["device_id"]!);
        using var response = await _homeserver.PutAsJsonAsync(
            new Uri(homeserver, $"_matrix/client/v3/devices/{deviceId}?user_id={Uri.EscapeDataString(userId)}"), new { });
        response.EnsureSuccessStatusCode();
        return Results.Json(new { user_id = userId, access_token = deviceId });
    }

    /// <summary>The token is the device, and <c>since</c> is how many messages it has.</summary>
    private async Task<IResult> SyncAsync(HttpContext context, string? since)
    {
        var deviceId = context.Request.Headers.Authorization.ToString()["Bearer ".Length..];
        var has = since is null ? 0 : int.Parse(since, System.Globalization.CultureInfo.InvariantCulture);
        await Task.Delay(10);
        lock (_lock)
        {
            var events = new JsonArray([.. InboxOf(deviceId).Skip(has).Select(message => message.DeepClone())]);
            return Results.Text(
                new JsonObject { ["next_batch"] = $"{has + events.Count}", ["to_device"] = new JsonObject { ["events"] = events } }.ToJsonString(),
                "application/json");
        }
    }

    private List<JsonNode> InboxOf(string deviceId)
    {
        if (!_inboxes.TryGetValue(deviceId, out var inbox)) _inboxes.Add(deviceId, inbox = []);
        return inbox;
    }
}
