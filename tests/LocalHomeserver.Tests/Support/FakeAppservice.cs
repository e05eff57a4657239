using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace LocalHomeserver.Tests;

/// <summary>A bridge with its registration file: it recognises transactions by their IDs, as bridges do.</summary>
internal sealed class FakeAppservice : IAsyncDisposable
{
    public const string AsToken = "as_token of the bridge", HsToken = "hs_token of the bridge";

    private readonly string _folder = Directory.CreateTempSubdirectory("local-homeserver-tests-").FullName;
    private readonly ConcurrentQueue<Transaction> _transactions = new();
    private readonly WebApplication _app;

    private FakeAppservice()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.MapPut("/bridge/_matrix/app/v1/transactions/{txnId}", async (HttpContext context, string txnId) =>
        {
            if (context.Request.Headers.Authorization != $"Bearer {HsToken}") return Results.StatusCode(403);
            using var reader = new StreamReader(context.Request.Body);
            _transactions.Enqueue(new Transaction(txnId, await reader.ReadToEndAsync()));
            // It has the transaction, whatever it answers.
            return IsAnswerLost ? Results.StatusCode(502) : Results.Text("{}", "application/json");
        });
    }

    /// <summary>The file.</summary>
    public string Registration => Path.Combine(_folder, "registration.yaml");

    /// <summary>Whether its answers get lost on their way.</summary>
    public bool IsAnswerLost { get; set; }

    /// <summary>The transactions that it was sent, each as often as it came.</summary>
    public IReadOnlyCollection<Transaction> Transactions => _transactions;

    /// <summary>The texts of its messages, those of a transaction that came again left out.</summary>
    public IEnumerable<string> Texts => _transactions.DistinctBy(transaction => transaction.Id)
        .SelectMany(transaction => transaction.ToDevice.EnumerateArray()).Select(message => message.GetProperty("content").String("text"));

    public static async Task<FakeAppservice> StartAsync(string extra = "")
    {
        var appservice = new FakeAppservice();
        await appservice._app.StartAsync();
        await File.WriteAllTextAsync(appservice.Registration, $$"""
            id: "A Bridge"
            url: {{appservice._app.Urls.Single()}}/bridge/
            as_token: "{{AsToken}}"
            hs_token: '{{HsToken}}'
            sender_localpart: bridgebot
            rate_limited: false
            namespaces:
              users:
                - exclusive: true
                  regex: '@_bridge_.*'
                - exclusive: false
                  regex: '@user.*'
              aliases: []
            {{extra}}
            """);
        return appservice;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    internal sealed record Transaction(string Id, string Body)
    {
        public JsonElement ToDevice => JsonDocument.Parse(Body).RootElement.GetProperty("to_device");
    }
}
