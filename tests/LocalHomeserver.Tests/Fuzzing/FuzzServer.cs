using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace LocalHomeserver.Tests;

/// <summary>
/// A homeserver with the users that inputs are from and about, the peers that it federates with, and a way to make requests that
/// changes nothing of what it is given.
/// </summary>
internal sealed class FuzzServer : IAsyncDisposable
{
    private static readonly UriCreationOptions s_asItIs = new() { DangerousDisablePathAndQueryCanonicalization = true };

    private static readonly string[] s_users =
        ["sender", "recipient", "other", "asker", "uploader", "signer", "deleter", "renamer", "login"];

    private readonly Dictionary<string, string> _tokens = [];
    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8,
    })
    {
        // Longer than anything takes, also on a busy machine: an answer that is not there by then will not come.
        Timeout = TimeSpan.FromMinutes(1),
    };

    private FuzzServer(Homeserver server, FuzzPeer peer) => (Server, Peer) = (server, peer);

    public Homeserver Server { get; }

    public FuzzPeer Peer { get; }

    public LogLines Log { get; } = new();

    public static async Task<FuzzServer> StartAsync(string store)
    {
        var peer = await FuzzPeer.StartAsync();
        var homeserver = await Homeserver.StartAsync(
            store, "--ServerName", "hs1.localhost",
            $"--Federation:Peers:{FuzzPeer.Good}", peer.Url,
            $"--Federation:Peers:{FuzzPeer.Bad}", peer.Url.Replace("127.0.0.1", "localhost", StringComparison.Ordinal),
            "--Federation:MaxPause", "00:00:00.2",
            // All of it, for those that look at it and not for the console.
            "--Logging:LogLevel:Default", "Debug", "--Logging:Console:LogLevel:Default", "None");
        var server = new FuzzServer(homeserver, peer);
        homeserver.Loggers.AddProvider(server.Log);
        await server.PrepareAsync();
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await Server.DisposeAsync();
        await Peer.DisposeAsync();
    }

    /// <summary>A client's request, by one of the devices or with a whole header after <c>=</c>.</summary>
    public Task<FuzzAnswer> SendAsync(string method, string uri, string? caller, string? body) =>
        SendAsync(method, uri, caller, body is null ? null : Encoding.UTF8.GetBytes(body));

    /// <inheritdoc cref="SendAsync(string, string, string?, string?)"/>
    public Task<FuzzAnswer> SendAsync(string method, string uri, string? caller, byte[]? body) => SendWithAsync(
        method, uri, caller is null ? null : caller.StartsWith('=') ? caller[1..] : $"Bearer {_tokens[caller]}", body);

    /// <summary>A peer's request, signed.</summary>
    public Task<FuzzAnswer> SendSignedAsync(
        string method, string uri, byte[]? body, string? canonical, string origin = FuzzPeer.Good, string? keyId = null)
    {
        var signature = FuzzKeys.Peer.Sign(FuzzBody.Signed(canonical, method, uri, origin, "hs1.localhost"));
        return SendWithAsync(method, uri, new XMatrix(origin, "hs1.localhost", keyId ?? FuzzKeys.Peer.KeyId, signature).ToString(), body);
    }

    /// <summary>A request with any header.</summary>
    public async Task<FuzzAnswer> SendWithAsync(string method, string uri, string? authorization, byte[]? body)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(Server.Url + uri, s_asItIs));
        if (authorization is not null) request.Headers.TryAddWithoutValidation("Authorization", authorization);
        if (uri.StartsWith("/_trial/restart", StringComparison.Ordinal)) request.Headers.TryAddWithoutValidation("Origin", "http://elsewhere.example");
        if (body is not null) request.Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        using var response = await _http.SendAsync(request);
        return new FuzzAnswer(
            (int)response.StatusCode, response.Content.Headers.ContentType?.ToString(), await response.Content.ReadAsByteArrayAsync());
    }

    private async Task PrepareAsync()
    {
        foreach (var user in s_users) await EnterAsync("register", user, user == "recipient" ? "PHONE" : user.ToUpperInvariant(), user);
        var document = await SendAsync("GET", "/_matrix/key/v2/server", null, (byte[]?)null);
        var keys = JsonElement.Parse(document.Body).GetProperty("verify_keys").EnumerateObject();
        Peer.PublicKey = UnpaddedBase64.Decode(keys.Single().Value.String("key"));
        await EnterAsync("login", "recipient", "LAPTOP", "recipient's laptop");
        await EnterAsync("login", "sender", "SYNCER", "syncer");
        await OkAsync("other", "keys/upload", $$"""{"device_keys":{{FuzzKeys.OtherDevice.ToJsonString()}}}""");
        await OkAsync("signer", "keys/upload", $$"""{"device_keys":{{FuzzKeys.SignerDevice.ToJsonString()}}}""");
        await OkAsync("other", "keys/device_signing/upload", FuzzKeys.Other.Upload().ToJsonString());
        await OkAsync("signer", "keys/device_signing/upload", FuzzKeys.Signer.Upload().ToJsonString());
    }

    private async Task EnterAsync(string how, string user, string deviceId, string caller)
    {
        var answer = await OkAsync(null, how, $$"""
            {"auth":{"type":"m.login.dummy"},"type":"m.login.password","username":"fuzz-{{user}}","user":"fuzz-{{user}}","password":"{{Homeserver.Password}}","device_id":"{{deviceId}}"}
            """);
        _tokens[caller] = JsonElement.Parse(answer.Body).String("access_token");
    }

    private async Task<FuzzAnswer> OkAsync(string? caller, string path, string body)
    {
        var answer = await SendAsync("POST", $"/_matrix/client/v3/{path}", caller, body);
        Assert.That(answer.Status, Is.EqualTo(200), $"{path}: {answer}");
        return answer;
    }
}
