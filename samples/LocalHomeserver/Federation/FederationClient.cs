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
    private const int MaxBytes = 10 * 1024 * 1024;

    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(30);

    private readonly Settings _settings;
    private readonly ServerKey _key;

    // A server gets one transaction after the other (R84), whoever on this host they are from. Nothing here needs to be disposed, and
    // a service that is slow to stop may have its turn still.
    private readonly Dictionary<string, SemaphoreSlim> _transactions;

    // No redirects: they would take a signed request to somebody who is not configured.
    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        ConnectTimeout = TimeSpan.FromSeconds(10),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    {
        // Of this class, which looks at the status before it reads the body.
        Timeout = Timeout.InfiniteTimeSpan,
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

    /// <summary>Asks with a signed request.</summary>
    /// <param name="method">The HTTP method.</param>
    /// <param name="serverName">One of the configured peers.</param>
    /// <param name="uri">Path and query, beginning with <c>/_matrix/</c>; it is sent, and signed, as it is.</param>
    /// <param name="content">The body; it is sent, and signed, in canonical form.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The body of the answer, which was a 200.</returns>
    /// <exception cref="CanonicalJsonException">The content cannot be signed.</exception>
    public async Task<JsonElement> SendAsync(
        HttpMethod method, string serverName, string uri, JsonElement? content, CancellationToken cancellationToken)
    {
        var body = content is null ? null : CanonicalJson.Encode(content.Value);
        using var request = await SignedAsync(method, serverName, uri, body, cancellationToken);
        return await AskAsync(request, serverName, cancellationToken);
    }

    /// <summary>Sends a transaction. It has been taken when the answer is a 200, whatever is in it.</summary>
    /// <param name="serverName">One of the configured peers.</param>
    /// <param name="transactionId">The <c>txnId</c> of its path: letters and digits.</param>
    /// <param name="body">The body, in canonical form: a receiver that encodes it again finds what was signed (D20).</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task SendTransactionAsync(string serverName, string transactionId, byte[] body, CancellationToken cancellationToken)
    {
        var uri = $"/_matrix/federation/v1/send/{transactionId}";
        using var request = await SignedAsync(HttpMethod.Put, serverName, uri, body, cancellationToken);
        var turn = _transactions[serverName];
        await turn.WaitAsync(cancellationToken);
        try
        {
            await AnswerAsync(request, serverName, isBodyWanted: false, cancellationToken);
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
        return await AskAsync(request, serverName, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task<HttpRequestMessage> SignedAsync(
        HttpMethod method, string serverName, string uri, byte[]? body, CancellationToken cancellationToken)
    {
        var request = Request(method, serverName, uri);
        var key = await _key.GetAsync(cancellationToken);
        var authorization = XMatrix.Sign(_settings.ServerName, serverName, key, method.Method, uri, body);
        request.Headers.TryAddWithoutValidation("Authorization", authorization.ToString());
        if (body is null) return request;

        request.Content = new ByteArrayContent(body);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return request;
    }

    private HttpRequestMessage Request(HttpMethod method, string serverName, string uri)
    {
        if (!_settings.Peers.TryGetValue(serverName, out var peer))
            throw new FederationException($"{serverName} is not one of Federation:Peers");

        // What is signed is what is sent: a path with dots in it too.
        var asItIs = new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true };
        return new HttpRequestMessage(method, new Uri(peer.GetLeftPart(UriPartial.Authority) + uri, asItIs));
    }

    private async Task<JsonElement> AskAsync(HttpRequestMessage request, string serverName, CancellationToken cancellationToken)
    {
        var body = await AnswerAsync(request, serverName, isBodyWanted: true, cancellationToken);
        try
        {
            if (!Utf8.IsValid(body)) throw new JsonException("The answer is not UTF-8");
            return JsonElement.Parse(body, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (JsonException e)
        {
            throw new FederationException($"{serverName} did not answer with JSON", e);
        }
    }

    /// <summary>The body of a 200, if it is wanted; anything else is an exception.</summary>
    private async Task<byte[]> AnswerAsync(
        HttpRequestMessage request, string serverName, bool isBodyWanted, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(s_timeout);
        try
        {
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            var isOk = response.StatusCode == HttpStatusCode.OK;
            if (isOk && !isBodyWanted) return [];

            await response.Content.LoadIntoBufferAsync(MaxBytes, limit.Token);
            var body = await response.Content.ReadAsByteArrayAsync(limit.Token);
            return isOk ? body : throw FederationException.Of(serverName, (int)response.StatusCode, body, response.Headers.RetryAfter?.Delta);
        }
        catch (Exception e) when (e is HttpRequestException or ObjectDisposedException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new FederationException($"{serverName} cannot be reached: {e.Message}", e);
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
