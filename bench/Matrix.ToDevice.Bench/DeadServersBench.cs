using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Matrix.ToDevice.Tests;

namespace Matrix.ToDevice.Bench;

/// <summary>How long mail for a server that answers takes while mail waits for servers that do not.</summary>
internal static class DeadServersBench
{
    private static readonly int[] s_dead = [0, 40, 200, 2_000];

    public static async Task RunOnSqliteAsync(int seconds)
    {
        PrintHead(seconds);
        foreach (var dead in s_dead)
        {
            using var folder = new TemporaryFolder();
            await MeasureAsync(dead, seconds, toDevice => toDevice.UseSqlite(TemporaryFolder.ConnectionString(folder.File("dead.db"), null)));
        }
    }

    public static async Task RunOnPostgreSqlAsync(int seconds)
    {
        using var cluster = PostgreSqlCluster.Start();
        PrintHead(seconds);
        foreach (var dead in s_dead)
        {
            cluster.Execute("DROP SCHEMA IF EXISTS to_device CASCADE");
            await MeasureAsync(dead, seconds, toDevice => toDevice.UsePostgreSql(cluster.ConnectionString));
        }
    }

    private static void PrintHead(int seconds)
    {
        Figures.Print("\n{0} seconds each; a message every 100 ms; 16 places, 8 of them for servers that fail; 3 s for an answer, pauses up to 10 s.\n", seconds);
        Figures.Print("| dead servers | messages | not delivered | mean ms | p50 ms | p99 ms | max ms |");
        Figures.Print("|---|---|---|---|---|---|---|");
    }

    private static async Task MeasureAsync(int dead, int seconds, Action<ISendToDeviceBuilder> useStore)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var toDevice = builder.Services.AddSendToDevice()
            .UseAuth((_, _) => ValueTask.FromResult(AuthResult.Success("@sender:example.org", "SENDER"))).UseDirectory<Elsewhere>();
        useStore(toDevice);
        toDevice.UseFederation<Transport>(options =>
        {
            (options.MaxDestinations, options.MaxFailingDestinations) = (16, 8);
            (options.SendTimeout, options.MaxPause) = (TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(10));
        });
        await using var app = builder.Build();
        app.MapSendToDevice();
        await HaveFailedAsync(app.Services, dead);
        await app.StartAsync();

        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        await SendAsync(http, -1);
        // Until all places for them are taken.
        await Task.Delay(TimeSpan.FromSeconds(2));
        var transport = (Transport)app.Services.GetRequiredService<IFederationTransport>();
        var sent = new long[seconds * 10];
        var start = Stopwatch.GetTimestamp();
        for (var n = 0; n < sent.Length; n++)
        {
            var wait = TimeSpan.FromMilliseconds(100 * n) - Stopwatch.GetElapsedTime(start);
            if (wait > TimeSpan.Zero) await Task.Delay(wait);
            sent[n] = Stopwatch.GetTimestamp();
            await SendAsync(http, n);
        }

        await Task.Delay(TimeSpan.FromSeconds(1));
        var end = Stopwatch.GetTimestamp();
        // What has not arrived has taken at least until now.
        var delays = sent.Select((at, n) => Stopwatch.GetElapsedTime(at, transport.Arrived.GetValueOrDefault(n, end)).TotalMilliseconds).Order().ToArray();
        Figures.Print(
            "| {0:N0} | {1} | {2} | {3:N1} | {4:N1} | {5:N1} | {6:N1} |",
            dead, sent.Length, sent.Select((_, n) => n).Count(n => !transport.Arrived.ContainsKey(n)), delays.Average(),
            delays[delays.Length / 2], delays[(int)(0.99 * (delays.Length - 1))], delays[^1]);
    }

    /// <summary>Mail waits for them, and they have failed several times.</summary>
    private static async Task HaveFailedAsync(IServiceProvider services, int count)
    {
        if (count == 0) return;
        var outbox = services.GetRequiredService<IFederationOutbox>();
        var transactions = services.GetRequiredService<ITransactionStore>();
        var key = new TransactionKey("@sender:example.org", "SENDER", TransactionKey.SendToDevice, "m.room.encrypted", "dead");
        await using var transaction = (await transactions.BeginAsync(key, transactions.KnownRemovals, default))!;
        await outbox.AppendAsync(
            transaction, [.. Enumerable.Range(0, count).Select(n => new OutboundEdu($"dead{n}", $"m{n}", "{}"u8.ToArray()))], default);
        await transaction.CommitAsync(default);
        foreach (var lease in await outbox.AcquireAsync("bench", TimeSpan.FromMinutes(1), count))
            await outbox.ReleaseAsync(lease.Destination, "bench", failures: 4, TimeSpan.Zero, default);
    }

    private static async Task SendAsync(HttpClient http, int n)
    {
        using var body = new StringContent($$$"""{"messages":{"@user:healthy":{"D":{"n":{{{n}}} } } } }""");
        using var response = await http.PutAsync(
            new Uri(string.Create(CultureInfo.InvariantCulture, $"/_matrix/client/v3/sendToDevice/m.room.encrypted/t{n}"), UriKind.Relative), body);
        response.EnsureSuccessStatusCode();
    }

    private sealed class Elsewhere : IDeviceDirectory
    {
        public ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IReadOnlyList<UserDevices>>([.. userIds.Select(_ => UserDevices.Remote)]);
    }

    /// <summary>One server takes everything at once; the others take the connection, and say nothing.</summary>
    private sealed class Transport : IFederationTransport
    {
        public ConcurrentDictionary<int, long> Arrived { get; } = [];

        public async ValueTask<FederationSendResult> SendAsync(FederationTransaction transaction, CancellationToken cancellationToken)
        {
            if (transaction.Destination != "healthy") await Task.Delay(Timeout.Infinite, cancellationToken);
            var now = Stopwatch.GetTimestamp();
            foreach (var edu in transaction.Edus)
            {
                using var content = JsonDocument.Parse(edu.Content);
                Arrived[content.RootElement.GetProperty("messages").GetProperty("@user:healthy").GetProperty("D").GetProperty("n").GetInt32()] = now;
            }

            return FederationSendResult.Received;
        }
    }
}
