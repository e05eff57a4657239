namespace Matrix.ToDevice.Bench;

/// <summary>The SQLite store without HTTP, beside what one could write instead, on the same disk with the same durability.</summary>
internal static class SqliteBench
{
    public static async Task RunAsync(int rounds, IEnumerable<Body> bodies, int[] senderCounts)
    {
        PrintHead(rounds, "");
        foreach (var body in bodies)
        {
            foreach (var senders in senderCounts)
            {
                Print(body, senders, await Figures.InterleavedAsync(
                    rounds,
                    ("store", () => StoreAsync(body, senders)),
                    ("raw batches", () => RawAsync(body, senders, RawKind.Batches)),
                    ("one by one", () => RawAsync(body, senders, RawKind.OneByOne)),
                    ("text keys", () => RawAsync(body, senders, RawKind.TextKeys)),
                    ("append+fsync", () => RawAsync(body, senders, RawKind.AppendOnly))));
            }
        }
    }

    /// <summary>What sharing a sync is worth when it takes long.</summary>
    public static async Task RunOnSlowDiskAsync(int rounds, IEnumerable<Body> bodies, int[] senderCounts)
    {
        SlowDisk.Register();
        PrintHead(rounds, ", with 2 ms added to each sync");
        foreach (var body in bodies)
        {
            foreach (var senders in senderCounts)
            {
                Print(body, senders, await Figures.InterleavedAsync(
                    rounds,
                    ("store", () => StoreAsync(body, senders, SlowDisk.Name)),
                    ("one by one", () => RawAsync(body, senders, RawKind.OneByOne, SlowDisk.Name))));
            }
        }
    }

    private static void PrintHead(int rounds, string disk)
    {
        Figures.Print("Medians of {0} interleaved rounds on new files, synchronous=FULL{1}. Ratios: the store to the other.", rounds, disk);
        Figures.Print("body senders variant           req/s   msg/s  p50 ms  p99 ms  store is");
    }

    private static void Print(Body body, int senders, Dictionary<string, Figures> results)
    {
        var store = results["store"];
        foreach (var (variant, figures) in results)
        {
            Figures.Print(
                "{0,-4} {1,7} {2,-14} {3,8:F0} {4,7:F0} {5,7:F2} {6,7:F2} {7,8:F2}x",
                body.Name, senders, variant, figures.RequestsPerSecond, figures.RequestsPerSecond * body.Targets,
                figures.P50, figures.P99, store.RequestsPerSecond / figures.RequestsPerSecond);
        }
    }

    private static int Requests(Body body, int senders) =>
        Math.Max(senders * 4, (body.Targets switch { 1 => 100_000, 20 => 8_000, _ => 1_000 }) / (senders == 1 ? 10 : 1));

    private static async Task<Figures> StoreAsync(Body body, int senders, string? vfs = null)
    {
        using var folder = new TemporaryFolder();
        var services = new ServiceCollection();
        services.AddSendToDevice().UseSqlite(TemporaryFolder.ConnectionString(folder.File("store.db"), vfs));
        await using var provider = services.BuildServiceProvider();
        var (latencies, elapsed) = await StoreLoad.RunAsync([provider], body, senders, Requests(body, senders));
        return Figures.Of(latencies, elapsed);
    }

    private static Task<Figures> RawAsync(Body body, int senders, RawKind kind, string? vfs = null) => Task.Run(() =>
    {
        using var folder = new TemporaryFolder();
        return RawSqlite.Measure(folder.File("raw.db"), body, Requests(body, kind == RawKind.OneByOne ? 1 : senders), senders, kind, vfs);
    });
}
