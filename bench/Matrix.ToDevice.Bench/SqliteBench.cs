using System.Diagnostics;

namespace Matrix.ToDevice.Bench;

/// <summary>The SQLite store without HTTP, beside what one could write instead, on the same disk with the same durability.</summary>
internal static class SqliteBench
{
    private static readonly int[] s_senders = [1, 16, 64, 256];

    public static async Task RunAsync(int rounds)
    {
        Figures.Print("Medians of {0} interleaved rounds on new files, synchronous=FULL. Ratios: the store to the other.", rounds);
        Figures.Print("body senders variant           req/s   msg/s  p50 ms  p99 ms  store is");
        foreach (var body in Body.All)
        {
            foreach (var senders in s_senders)
            {
                var results = await Figures.InterleavedAsync(
                    rounds,
                    ("store", () => StoreAsync(body, senders)),
                    ("raw batches", () => RawAsync(body, senders, RawKind.Batches)),
                    ("one by one", () => RawAsync(body, senders, RawKind.OneByOne)),
                    ("text keys", () => RawAsync(body, senders, RawKind.TextKeys)),
                    ("append+fsync", () => RawAsync(body, senders, RawKind.AppendOnly)));
                var store = results["store"];
                foreach (var (variant, figures) in results)
                {
                    Figures.Print(
                        "{0,-4} {1,7} {2,-14} {3,8:F0} {4,7:F0} {5,7:F2} {6,7:F2} {7,8:F2}x",
                        body.Name, senders, variant, figures.RequestsPerSecond, figures.RequestsPerSecond * body.Targets,
                        figures.P50, figures.P99, store.RequestsPerSecond / figures.RequestsPerSecond);
                }
            }
        }
    }

    private static int Requests(Body body, int senders) =>
        Math.Max(senders * 4, (body.Targets switch { 1 => 20_000, 20 => 4_000, _ => 500 }) / (senders == 1 ? 10 : 1));

    private static async Task<Figures> StoreAsync(Body body, int senders)
    {
        using var folder = new TemporaryFolder();
        var services = new ServiceCollection();
        services.AddSendToDevice().UseSqlite($"Data Source={folder.File("store.db")}");
        await using var provider = services.BuildServiceProvider();
        var transactions = provider.GetRequiredService<ITransactionStore>();
        var inbox = provider.GetRequiredService<IDeviceInbox>();
        // Made before: what is measured is the store.
        var messages = Enumerable.Range(0, Body.Recipients).Select(first => body.Messages(first, first)).ToArray();
        await SendAsync("warm", 0);

        var each = Requests(body, senders) / senders;
        var latencies = new long[each * senders];
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, senders).Select(sender => Task.Run(async () =>
        {
            for (var i = 0; i < each; i++)
            {
                var began = Stopwatch.GetTimestamp();
                await SendAsync($"{sender}.{i}", sender * each + i);
                latencies[sender * each + i] = Stopwatch.GetElapsedTime(began).Ticks;
            }
        })));
        return Figures.Of(latencies, Stopwatch.GetElapsedTime(start));

        async Task SendAsync(string txnId, int number)
        {
            var key = new TransactionKey("@sender:example.org", "SENDER", TransactionKey.SendToDevice, "m.room.encrypted", txnId);
            await using var transaction = (await transactions.BeginAsync(key, transactions.KnownRemovals, default))!;
            await inbox.AppendAsync(transaction, messages[number * 7 % Body.Recipients], default);
            await transaction.CommitAsync(default);
        }
    }

    private static Task<Figures> RawAsync(Body body, int senders, RawKind kind) => Task.Run(() =>
    {
        using var folder = new TemporaryFolder();
        return RawSqlite.Measure(folder.File("raw.db"), body, Requests(body, senders), senders, kind);
    });
}
