using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace LocalHomeserver.Tests;

/// <summary>
/// Two servers: a good one, which answers what an input says it should and otherwise what is right, and a bad one, of whose keys
/// and transactions nothing good can be said until the end.
/// </summary>
internal sealed partial class FuzzPeer : IAsyncDisposable
{
    public const string Good = "hs2.localhost", Bad = "hs3.localhost";

    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, byte[]> _answers = [];
    private readonly ConcurrentQueue<byte[]> _badAnswers = [];
    private readonly ConcurrentDictionary<(string Server, string Text), TaskCompletionSource> _arrived = [];

    private FuzzPeer()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(AnswerAsync);
    }

    /// <summary>Where both of them are: the destination of a request says for which it is.</summary>
    public string Url => _app.Urls.Single();

    /// <summary>What the bad one says about its keys; null for what is right.</summary>
    public byte[]? Document { get; set; }

    /// <summary>Whether the bad one takes transactions.</summary>
    public bool IsBad { get; set; } = true;

    /// <summary>The key with which the server signs.</summary>
    public byte[]? PublicKey { get; set; }

    /// <summary>What was wrong with a transaction that came.</summary>
    public string? Problem { get; private set; }

    public static async Task<FuzzPeer> StartAsync()
    {
        var peer = new FuzzPeer();
        await peer._app.StartAsync();
        return peer;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    /// <summary>What is answered to a request that has this in it, once.</summary>
    public void Answer(string key, byte[] answer) => _answers[key] = answer;

    /// <summary>What the bad one answers to one of its next transactions.</summary>
    public void AnswerTransaction(byte[] answer) => _badAnswers.Enqueue(answer);

    /// <summary>Completes when a message with this text has come.</summary>
    public Task ArrivalOf(string server, string text) => Arrival(server, text).Task;

    private TaskCompletionSource Arrival(string server, string text) =>
        _arrived.GetOrAdd((server, text), _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));

    private async Task AnswerAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        var authorization = XMatrix.Parse(context.Request.Headers.Authorization.ToString());
        using var stream = new MemoryStream();
        await context.Request.Body.CopyToAsync(stream);
        var body = stream.ToArray();

        byte[]? answer = null;
        if (path.StartsWith("/_matrix/federation/v1/send/", StringComparison.Ordinal)) answer = Take(context, authorization, body);
        else if (path == "/_matrix/key/v2/server") answer = Keys(context);
        else if (Numbers().Match(path + Encoding.UTF8.GetString(body)) is { Success: true } number) _answers.TryRemove(number.Value, out answer);

        context.Response.ContentType = "application/json";
        await context.Response.Body.WriteAsync(answer ?? """{"pdus":{},"device_keys":{},"one_time_keys":{}}"""u8.ToArray());
    }

    private byte[] Keys(HttpContext context)
    {
        // These requests are not signed: the name before the port of the address tells the two apart.
        var isBad = context.Request.Host.Host == "localhost";
        return (isBad ? Document : null) ?? Encoding.UTF8.GetBytes(FuzzKeys.Document(isBad ? Bad : Good).ToJsonString());
    }

    private byte[]? Take(HttpContext context, XMatrix? authorization, byte[] body)
    {
        var server = authorization?.Destination ?? "";
        if (server == Bad && IsBad)
        {
            context.Response.StatusCode = _badAnswers.TryDequeue(out var answer) ? 200 : 503;
            return answer;
        }

        try
        {
            var transaction = JsonTree.Parse(Encoding.UTF8.GetString(body));
            if (ProblemOf(transaction, authorization, context.Request.Path.Value!) is not { } problem)
            {
                foreach (var edu in transaction["edus"]!.Items!) Note(server, edu["content"]!);
                return null;
            }

            Problem ??= $"{problem}: {Encoding.UTF8.GetString(body)}";
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or NullReferenceException)
        {
            Problem ??= $"the peer cannot read {Encoding.UTF8.GetString(body)}: {e.Message}";
        }

        context.Response.StatusCode = 401;
        return null;
    }

    /// <summary>
    /// Whether a server that reads a transaction and encodes it again, as Synapse does, finds what was signed: with any other number than
    /// an integer in its one form, it would not (D20).
    /// </summary>
    private string? ProblemOf(JsonTree transaction, XMatrix? authorization, string path)
    {
        if (!transaction.HasCanonicalForm) return "what has no canonical form was sent";
        if (transaction.Numbers().FirstOrDefault(number => !Integer().IsMatch(number)) is { } other) return $"{other} was sent";
        if (authorization is null || PublicKey is null) return "who sends it is not known";

        var signed = FuzzBody.Signed(FuzzBody.Canonical(transaction), "PUT", path, authorization.Origin, authorization.Destination!);
        return Ed25519.Verify(PublicKey, signed, UnpaddedBase64.Decode(authorization.Signature)!) ? null : "the signature is not right";
    }

    private void Note(string server, JsonTree content)
    {
        if (content["type"]?.Text?.Text != "m.good") return;
        foreach (var (_, devices) in content["messages"]!.Members!) Arrival(server, devices["*"]!["text"]!.Text!.Value.Text).TrySetResult();
    }

    [GeneratedRegex("^(0|-?[1-9][0-9]{0,15})$")]
    private static partial Regex Integer();

    [GeneratedRegex("@n[0-9]+:")]
    private static partial Regex Numbers();
}
