using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>Requests to other servers, signed, and their answers. Every failure is a <see cref="FederationException"/>.</summary>
public sealed class FederationClient : IDisposable
{
    // Deeper than any answer; the deeper, the longer it takes to read one.
    private const int MaxDepth = 512;

    private readonly Settings _settings;
    private readonly ServerKey _key;

    // A server gets one transaction after the other (R84), whoever on this host they are from.
    private readonly Dictionary<string, SemaphoreSlim> _transactions;

    // No redirects: they would take a signed request to somebody who is not configured.
    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        ConnectTimeout = TimeSpan.FromSeconds(10),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    {
        Timeout = TimeSpan.FromSeconds(30),
        MaxResponseContentBufferSize = 10 * 1024 * 1024,
    };

    internal FederationClient(Settings settings, ServerKey key)
    {
        (_settings, _key) = (settings, key);
        _transactions = settings.Peers.Keys.ToDictionary(serverName => serverName, _ => new SemaphoreSlim(1));
    }

    /// <summary>The devices of a peer's user (<c>GET /_matrix/federation/v1/user/devices/{userId}</c>).</summary>
    /// <param name="serverName">The user's server.</param>
    /// <param name="userId">The user.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<UserDeviceList> GetUserDevicesAsync(string serverName, string userId, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(
            HttpMethod.Get, serverName, $"/_matrix/federation/v1/user/devices/{Uri.EscapeDataString(userId)}", null, cancellationToken);
        var devices = Read(answer, serverName, MatrixJson.Default.UserDeviceList);
        return devices.UserId == userId ? devices : throw new FederationException($"{serverName} answered for another user");
    }

    /// <summary>Sends a signed request.</summary>
    /// <param name="method">The HTTP method.</param>
    /// <param name="serverName">One of the configured peers.</param>
    /// <param name="uri">Path and query, beginning with <c>/_matrix/</c>; it is sent, and signed, as it is.</param>
    /// <param name="content">The body; it is sent, and signed, in canonical form.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The body of the answer, which was a 200.</returns>
    /// <exception cref="CanonicalJsonException">The content cannot be signed.</exception>
    public Task<JsonElement> SendAsync(
        HttpMethod method, string serverName, string uri, JsonElement? content, CancellationToken cancellationToken) =>
        SendCanonicalAsync(method, serverName, uri, content is null ? null : CanonicalJson.Encode(content.Value), cancellationToken);

    /// <inheritdoc cref="SendAsync(HttpMethod, string, string, JsonElement?, CancellationToken)"/>
    /// <param name="method">The HTTP method.</param>
    /// <param name="serverName">One of the configured peers.</param>
    /// <param name="uri">Path and query, beginning with <c>/_matrix/</c>; it is sent, and signed, as it is.</param>
    /// <param name="body">The body, in canonical form: a receiver that encodes it again finds what was signed (D20).</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<JsonElement> SendCanonicalAsync(
        HttpMethod method, string serverName, string uri, byte[]? body, CancellationToken cancellationToken)
    {
        var key = await _key.GetAsync(cancellationToken);
        using var request = Request(method, serverName, uri);
        var authorization = XMatrix.Sign(_settings.ServerName, serverName, key, method.Method, uri, body);
        request.Headers.TryAddWithoutValidation("Authorization", authorization.ToString());
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        if (method != HttpMethod.Put) return await SendAsync(request, serverName, cancellationToken);

        var turn = _transactions[serverName];
        await turn.WaitAsync(cancellationToken);
        try
        {
            return await SendAsync(request, serverName, cancellationToken);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>The document of a peer's keys. The request is not signed: the peer would need this server's keys first.</summary>
    internal async Task<JsonElement> GetServerKeysAsync(string serverName, CancellationToken cancellationToken)
    {
        using var request = Request(HttpMethod.Get, serverName, "/_matrix/key/v2/server");
        return await SendAsync(request, serverName, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _http.Dispose();
        foreach (var turn in _transactions.Values) turn.Dispose();
    }

    private HttpRequestMessage Request(HttpMethod method, string serverName, string uri)
    {
        if (!_settings.Peers.TryGetValue(serverName, out var peer))
            throw new FederationException($"{serverName} is not one of Federation:Peers");

        // What is signed is what is sent: a path with dots in it too.
        var asItIs = new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true };
        return new HttpRequestMessage(method, new Uri(peer.GetLeftPart(UriPartial.Authority) + uri, asItIs));
    }

    private async Task<JsonElement> SendAsync(HttpRequestMessage request, string serverName, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await _http.SendAsync(request, cancellationToken);
            var body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
            if (response.StatusCode != HttpStatusCode.OK)
                throw FederationException.Of(serverName, (int)response.StatusCode, body, response.Headers.RetryAfter?.Delta);
            if (!Utf8.IsValid(body)) throw new JsonException("The answer is not UTF-8");
            return JsonElement.Parse(body, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw new FederationException($"{serverName} cannot be reached: {e.Message}", e);
        }
        catch (JsonException e)
        {
            throw new FederationException($"{serverName} did not answer with JSON", e);
        }
    }

    private static T Read<T>(JsonElement answer, string serverName, JsonTypeInfo<T> type)
    {
        try
        {
            return answer.Deserialize(type) ?? throw new JsonException();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new FederationException($"{serverName} answered with something else than was asked for", e);
        }
    }
}
