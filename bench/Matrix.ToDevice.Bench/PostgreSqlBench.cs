using Matrix.ToDevice.Tests;
using Npgsql;

namespace Matrix.ToDevice.Bench;

/// <summary>The PostgreSQL store, on a server of its own on this machine, beside what one could write instead.</summary>
internal static class PostgreSqlBench
{
    private const int Senders = 64;

    public static async Task RunAsync(int rounds, IEnumerable<Body> bodies)
    {
        using var cluster = PostgreSqlCluster.Start();
        cluster.Execute("ALTER SYSTEM SET shared_buffers = '1GB'");
        cluster.Execute("ALTER SYSTEM SET max_wal_size = '4GB'");
        cluster.StopServer("fast");
        cluster.StartServer();

        Figures.Print("Medians of {0} interleaved rounds on new tables, synchronous_commit=on. Ratios: the first to the other.", rounds);
        Figures.Print("body senders variant                  req/s   msg/s  p50 ms  p99 ms   req/s     p50     p99");
        foreach (var body in bodies)
        {
            foreach (var senders in (int[])[1, 16, Senders, 256])
            {
                await CompareAsync(rounds, body, senders, [
                    ("one host", () => StoreAsync(cluster, body, senders, hosts: 1)),
                    ("one statement each", () => RawAsync(cluster, body, senders, RawPostgreSqlKind.OneByOne)),
                    .. senders == 1 ? Enumerable.Empty<(string, Func<Task<Figures>>)>() : [
                        ("plain batches", () => RawAsync(cluster, body, senders, RawPostgreSqlKind.PlainBatches))],
                ]);
            }

            await CompareAsync(rounds, body, Senders, [
                ("one host", () => StoreAsync(cluster, body, Senders, hosts: 1)),
                ("two hosts", () => StoreAsync(cluster, body, Senders, hosts: 2)),
                ("four hosts", () => StoreAsync(cluster, body, Senders, hosts: 4)),
                ("two, no wake-ups", () => StoreAsync(cluster, body, Senders, hosts: 2, notifications: false)),
            ]);

            if (body.Targets == 1)
            {
                await CompareAsync(rounds, body, Senders, [
                    ("one host, one device", () => StoreAsync(cluster, body, Senders, hosts: 1, recipients: 1)),
                    ("the same by statement", () => RawAsync(cluster, body, Senders, RawPostgreSqlKind.OneByOne, recipients: 1)),
                    ("four hosts, the same", () => StoreAsync(cluster, body, Senders, hosts: 4, recipients: 1)),
                ]);
            }
        }
    }

    private static async Task CompareAsync(int rounds, Body body, int senders, (string, Func<Task<Figures>>)[] variants)
    {
        var results = await Figures.InterleavedAsync(rounds, variants);
        var first = results[variants[0].Item1];
        foreach (var (variant, figures) in results)
        {
            Figures.Print(
                "{0,-4} {1,7} {2,-21} {3,7:F0} {4,7:F0} {5,7:F2} {6,7:F2} {7,6:F2}x {8,6:F2}x {9,6:F2}x",
                body.Name, senders, variant, figures.RequestsPerSecond, figures.RequestsPerSecond * body.Targets, figures.P50, figures.P99,
                first.RequestsPerSecond / figures.RequestsPerSecond, first.P50 / figures.P50, first.P99 / figures.P99);
        }
    }

    private static int Requests(Body body, int senders) =>
        Math.Max(senders * 4, (body.Targets switch { 1 => 60_000, 20 => 6_000, _ => 800 }) / (senders == 1 ? 10 : 1));

    private static async Task<Figures> StoreAsync(
        PostgreSqlCluster cluster, Body body, int senders, int hosts, bool notifications = true, int recipients = Body.Recipients)
    {
        cluster.Execute("DROP SCHEMA IF EXISTS to_device CASCADE");
        var providers = new List<ServiceProvider>();
        for (var i = 0; i < hosts; i++)
        {
            var services = new ServiceCollection();
            services.AddSendToDevice().UsePostgreSql(options =>
            {
                options.ConnectionString = cluster.ConnectionString;
                options.Notifications = notifications;
            });
            providers.Add(services.BuildServiceProvider());
        }

        var figures = await StoreLoad.RunAsync(providers, body, senders, Requests(body, senders), recipients);
        foreach (var provider in providers) await provider.DisposeAsync();
        return figures;
    }

    private static async Task<Figures> RawAsync(
        PostgreSqlCluster cluster, Body body, int senders, RawPostgreSqlKind kind, int recipients = Body.Recipients)
    {
        cluster.Execute("DROP SCHEMA IF EXISTS to_device CASCADE");
        var services = new ServiceCollection();
        services.AddSendToDevice().UsePostgreSql(cluster.ConnectionString);
        await StoreLoad.CreateTablesAsync(services);

        await using var dataSource = NpgsqlDataSource.Create($"{cluster.ConnectionString};Maximum Pool Size=280");
        var requests = Requests(body, senders);
        // Unbatched, that many would take too long.
        if (kind == RawPostgreSqlKind.OneByOne && senders > 1) requests = Math.Max(requests / 4, senders * 4);
        return await RawPostgreSql.MeasureAsync(dataSource, body, senders, requests, kind, recipients);
    }
}
