using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace LocalHomeserver.Tests;

/// <summary>The way to a homeserver: sees the transactions that go over it, and breaks when a test wants it broken.</summary>
internal sealed class Wire : IAsyncDisposable
{
    private readonly HttpClient _http = new();
    private readonly WebApplication _app;
    private readonly string _target;
    private readonly ConcurrentQueue<ReceivedTransaction> _seen = new();
    private readonly ConcurrentQueue<Reply> _answers = new();
    private int _underWay, _mostUnderWay, _cut;

    private Wire(string target)
    {
        _target = target;
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.MapPut("/_matrix/federation/v1/send/{txnId}", CarryAsync);
        _app.MapGet("/{**path}", async (HttpContext context) => await ForwardAsync(context, HttpMethod.Get, body: null));
    }

    public string Url => _app.Urls.Single();

    /// <summary>Nothing comes through.</summary>
    public volatile bool IsCut;

    /// <summary>Transactions come through, and their answers do not.</summary>
    public volatile bool LosesAnswers;

    /// <summary>The transactions that came through, each as often as it came.</summary>
    public IReadOnlyCollection<ReceivedTransaction> Seen => _seen;

    /// <summary>What the homeserver said to them.</summary>
    public IReadOnlyCollection<Reply> Answers => _answers;

    /// <summary>How many transactions did not come through.</summary>
    public int Cut => Volatile.Read(ref _cut);

    /// <summary>How many transactions were under way at the same time at most.</summary>
    public int MostUnderWay => Volatile.Read(ref _mostUnderWay);

    public static async Task<Wire> StartAsync(string target)
    {
        var wire = new Wire(target);
        await wire._app.StartAsync();
        return wire;
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _app.DisposeAsync();
    }

    private async Task CarryAsync(HttpContext context, string txnId)
    {
        InterlockedMax(ref _mostUnderWay, Interlocked.Increment(ref _underWay));
        try
        {
            var transaction = await ReceivedTransaction.ReadAsync(context, txnId);
            if (IsCut)
            {
                Interlocked.Increment(ref _cut);
                context.Abort();
                return;
            }

            _seen.Enqueue(transaction);
            await ForwardAsync(context, HttpMethod.Put, transaction.Text);
        }
        finally
        {
            Interlocked.Decrement(ref _underWay);
        }
    }

    private async Task ForwardAsync(HttpContext context, HttpMethod method, string? body)
    {
        using var request = new HttpRequestMessage(method, _target + context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget);
        if (body is not null) request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        if (context.Request.Headers.Authorization is [{ } authorization])
            request.Headers.TryAddWithoutValidation("Authorization", authorization);

        Reply reply;
        try
        {
            using var response = await _http.SendAsync(request, context.RequestAborted);
            reply = await Reply.ReadAsync(response);
        }
        catch (HttpRequestException)
        {
            // The homeserver is not there.
            Interlocked.Increment(ref _cut);
            context.Abort();
            return;
        }

        if (body is not null) _answers.Enqueue(reply);
        if (body is not null && LosesAnswers)
        {
            context.Abort();
            return;
        }

        context.Response.StatusCode = reply.Status;
        if (reply.Headers.TryGetValue("Retry-After", out var retryAfter)) context.Response.Headers.RetryAfter = retryAfter;
        await context.Response.WriteAsync(reply.Text, context.RequestAborted);
    }

    private static void InterlockedMax(ref int value, int candidate)
    {
        for (var before = Volatile.Read(ref value); before < candidate;)
        {
            var found = Interlocked.CompareExchange(ref value, candidate, before);
            if (found == before) return;
            before = found;
        }
    }
}
