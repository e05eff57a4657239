using System.Text.Json;

namespace LocalHomeserver.Tests;

/// <summary>A logged-in device.</summary>
internal sealed class TestDevice(Homeserver server, JsonElement login)
{
    public string UserId { get; } = login.String("user_id");

    public string DeviceId { get; } = login.String("device_id");

    public string Token { get; private set; } = login.String("access_token");

    public string? RefreshToken { get; private set; } = login.Has("refresh_token") ? login.String("refresh_token") : null;

    /// <summary>The same device, talking to another host of the same server.</summary>
    public TestDevice At(Homeserver host) => new(host, login) { Token = Token, RefreshToken = RefreshToken };

    public Task<Reply> CallAsync(string method, string path, object? body = null) =>
        server.SendAsync(method, "/_matrix/client/v3" + path, body, Token);

    public Task<Reply> TrySyncAsync(string? since = null, int timeout = 0, string extra = "") =>
        CallAsync("GET", $"/sync?timeout={timeout}{(since is null ? "" : $"&since={since}")}{extra}");

    public async Task<Sync> SyncAsync(string? since = null, int timeout = 0, string extra = "") =>
        Sync.Of((await TrySyncAsync(since, timeout, extra)).Ok());

    /// <summary>Sends a message with a text in it.</summary>
    public Task<Reply> TrySendAsync(string userId, string deviceId, string text, string? txnId = null) =>
        CallAsync("PUT", $"/sendToDevice/m.test/{txnId ?? Guid.NewGuid().ToString()}", Messages(userId, deviceId, text));

    /// <summary>The body of a send.</summary>
    public static object Messages(string userId, string deviceId, string text) =>
        new { messages = new Dictionary<string, object> { [userId] = new Dictionary<string, object> { [deviceId] = new { text } } } };

    public async Task SendAsync(TestDevice recipient, string text, string? txnId = null) =>
        (await TrySendAsync(recipient.UserId, recipient.DeviceId, text, txnId)).Ok();

    public async Task RefreshAsync()
    {
        var reply = await server.SendAsync("POST", "/_matrix/client/v3/refresh", new { refresh_token = RefreshToken });
        (Token, RefreshToken) = (reply.Ok().String("access_token"), reply.Body.String("refresh_token"));
    }

    public async Task LogoutAsync() => (await CallAsync("POST", "/logout")).Ok();

    public object PasswordAuth(string password = Homeserver.Password) => new
    {
        type = "m.login.password",
        identifier = new { type = "m.id.user", user = UserId },
        password,
    };
}

/// <summary>A sync response: the texts of its messages, and the token for the next one.</summary>
internal sealed record Sync(string[] Texts, string NextBatch, JsonElement Body)
{
    public static Sync Of(JsonElement body) => new(
        body.TryGetProperty("to_device", out var toDevice)
            ? [.. toDevice.GetProperty("events").EnumerateArray().Select(message => message.GetProperty("content").String("text"))]
            : [],
        body.String("next_batch"),
        body);
}
