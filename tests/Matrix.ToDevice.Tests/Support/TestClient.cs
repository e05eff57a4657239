using System.Net.Http.Headers;
using System.Text;

namespace Matrix.ToDevice.Tests;

/// <summary>One device of a user, speaking plain HTTP.</summary>
internal sealed class TestClient(HttpClient http, string token)
{
    public string Token => token;

    /// <summary>Sends a body; the event type and transaction ID stand in the path as they are given.</summary>
    public Task<TestResponse> PutAsync(string eventType, string txnId, string body, string version = "v3") =>
        SendAsync(HttpMethod.Put, $"/_matrix/client/{version}/sendToDevice/{eventType}/{txnId}", new StringContent(body, Encoding.UTF8, "application/json"));

    /// <summary>Sends one message.</summary>
    public Task<TestResponse> SendAsync(string txnId, string userId, string deviceId, string content = "{}", string eventType = "m.test") =>
        PutAsync(eventType, txnId, $$$"""{"messages":{"{{{userId}}}":{"{{{deviceId}}}":{{{content}}} } } }""");

    /// <summary>Syncs.</summary>
    public async Task<TestSync> SyncAsync(string? since = null, int timeout = 0)
    {
        var query = since is null ? "" : $"&since={Uri.EscapeDataString(since)}";
        var response = await SendAsync(HttpMethod.Get, $"/_matrix/client/v3/sync?timeout={timeout}{query}");
        return new TestSync(response);
    }

    public async Task<TestResponse> SendAsync(
        HttpMethod method, string path, HttpContent? content = null, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await http.SendAsync(request, cancellationToken);
        return await TestResponse.ReadAsync(response);
    }
}
