using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using Matrix.ToDevice;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace LocalHomeserver.Tests;

/// <summary>Another server, which says about its keys what a test wants it to say, and signs what a test wants it to sign.</summary>
internal sealed class FakePeer : IAsyncDisposable
{
    public const string Name = "hs2.localhost";

    /// <summary>Where it says which keys it has.</summary>
    public const string KeyPath = "/_matrix/key/v2/server";

    // A server that does not want a large body says so in its own time.
    private readonly HttpClient _http = new(new SocketsHttpHandler { Expect100ContinueTimeout = TimeSpan.FromMinutes(1) });
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<ReceivedTransaction> _received = new();
    private int _fetches;

    private FakePeer()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.MapGet(KeyPath, () =>
        {
            Interlocked.Increment(ref _fetches);
            var text = Answers.GetValueOrDefault(KeyPath) ?? (Document ?? NewDocument()).ToJsonString();
            return IsDown ? Results.StatusCode(502) : Results.Text(text, "application/json");
        });
        _app.MapPut("/_matrix/federation/v1/send/{txnId}", async (HttpContext context, string txnId) =>
        {
            var transaction = await ReceivedTransaction.ReadAsync(context, txnId);
            _received.Enqueue(transaction);
            return await Answer(transaction);
        });
        _app.MapFallback("{**path}", (HttpContext context) =>
            Answers.TryGetValue(context.Request.Path.Value!, out var answer)
                ? Results.Bytes(AnswersIn.GetBytes(answer), "application/json")
                : Results.NotFound());
    }

    public string Url => _app.Urls.Single();

    public SigningKey Key { get; set; } = SigningKey.New();

    /// <summary>What it answers with; null for what is right.</summary>
    public JsonObject? Document { get; set; }

    public bool IsDown { get; set; }

    /// <summary>How often its keys were fetched.</summary>
    public int Fetches => Volatile.Read(ref _fetches);

    /// <summary>The transactions that it was sent, each as often as it came.</summary>
    public IReadOnlyCollection<ReceivedTransaction> Received => _received;

    /// <summary>How its answers are encoded; in anything but UTF-8 they should not be.</summary>
    public Encoding AnswersIn { get; set; } = Encoding.UTF8;

    /// <summary>What it answers to a transaction; 200 unless a test says otherwise.</summary>
    public Func<ReceivedTransaction, Task<IResult>> Answer { get; set; } = _ => Task.FromResult(Ok);

    /// <summary>What it answers at other paths.</summary>
    public ConcurrentDictionary<string, string> Answers { get; } = new();

    public static IResult Ok => Results.Text("""{"pdus":{}}""", "application/json");

    public static async Task<FakePeer> StartAsync()
    {
        var peer = new FakePeer();
        await peer._app.StartAsync();
        return peer;
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _app.DisposeAsync();
    }

    /// <summary>A signed document of its key.</summary>
    public JsonObject NewDocument(string serverName = Name, TimeSpan? validFor = null, SigningKey? signer = null)
    {
        var document = new JsonObject
        {
            ["server_name"] = serverName,
            ["valid_until_ts"] = (TimeProvider.System.GetUtcNow() + (validFor ?? TimeSpan.FromDays(30))).ToUnixTimeMilliseconds(),
            ["verify_keys"] = new JsonObject { [Key.KeyId] = new JsonObject { ["key"] = Key.PublicKey() } },
            ["old_verify_keys"] = new JsonObject(),
        };
        SignedJson.Sign(document, serverName, signer ?? Key);
        return document;
    }

    public XMatrix Sign(string uri, string? body = null, string origin = Name, string destination = "hs1.localhost", string method = "GET") =>
        XMatrix.Sign(origin, destination, Key, method, uri, body is null ? [] : CanonicalJson.EncodeAsWritten(Encoding.UTF8.GetBytes(body)));

    /// <summary>Sends a request that is signed as it should be.</summary>
    public Task<Reply> SendAsync(Homeserver to, string uri, string? body = null) => SendAsync(to, uri, Sign(uri, body).ToString(), body);

    /// <summary>Sends a request with any header.</summary>
    public Task<Reply> SendAsync(Homeserver to, string uri, string? authorization, string? body, string method = "GET") =>
        SendAsync(to, uri, authorization, body is null ? null : new ByteArrayContent(Encoding.UTF8.GetBytes(body)), method);

    /// <summary>Sends a transaction that is signed as it should be.</summary>
    public Task<Reply> PutAsync(Homeserver to, string body, string txnId = "1")
    {
        var uri = $"/_matrix/federation/v1/send/{txnId}";
        return SendAsync(to, uri, Sign(uri, body, method: "PUT").ToString(), body, "PUT");
    }

    /// <summary>Sends a request with any header and any body.</summary>
    public async Task<Reply> SendAsync(Homeserver to, string uri, string? authorization, HttpContent? content, string method = "GET")
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), to.Url + uri) { Content = content };
        if (authorization is not null) request.Headers.TryAddWithoutValidation("Authorization", authorization);
        request.Headers.ExpectContinue = content?.Headers.ContentLength > 1024 * 1024;
        using var response = await _http.SendAsync(request);
        return await Reply.ReadAsync(response);
    }
}
