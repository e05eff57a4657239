using Matrix.ToDevice.Tests;
using Npgsql;

namespace Matrix.ToDevice.Bench;

/// <summary>
/// The PostgreSQL store, on a server of its own on this machine, beside what one could write instead. Prints the tables of
/// docs/performance.md.
/// </summary>
internal static class PostgreSqlBench
{
    private const int Many = 64;
    private const string Store = "store", OneByOne = "one statement each", Plain = "plain batches";

    public static async Task RunAsync(int rounds, IReadOnlyList<Body> bodies, int[] senders)
    {
        using var cluster = PostgreSqlCluster.Start();
        cluster.Execute("ALTER SYSTEM SET shared_buffers = '1GB'");
        cluster.Execute("ALTER SYSTEM SET max_wal_size = '4GB'");
        cluster.StopServer("fast");
        cluster.StartServer();
        var budgets = new PostgreSqlBudgets();

        Figures.Print("Medians of {0} interleaved rounds on new tables, synchronous_commit=on.\n", rounds);
        Figures.Print("| body | senders | req/s | msg/s | p50 ms | p99 ms | one statement each, req/s | its p50 | its p99 | plain batches, req/s |");
        Figures.Print("|---|---|---|---|---|---|---|---|---|---|");
        foreach (var body in bodies)
        {
            foreach (var count in senders)
            {
                var load = new PostgreSqlLoad(cluster.ConnectionString, body, count, Requests(body, count));
                var results = await Figures.InterleavedAsync(rounds, [
                    (Store, () => OnNewTablesAsync(cluster, load.RunAsync)),
                    (OneByOne, () => OnNewTablesAsync(cluster, () => RawAsync(load, RawPostgreSqlKind.OneByOne))),
                    .. count == 1 ? Enumerable.Empty<(string, Func<Task<Figures>>)>() : [
                        (Plain, () => OnNewTablesAsync(cluster, () => RawAsync(load, RawPostgreSqlKind.PlainBatches)))],
                ]);
                var (store, single) = (results[Store], results[OneByOne]);
                var plain = results.GetValueOrDefault(Plain);
                Figures.Print(
                    "| {0} | {1} | {2:N0} | {3:N0} | {4:F2} | {5:F2} | {6:N0} | {7:F2} | {8:F2} | {9} |",
                    body.Name, count, store.RequestsPerSecond, store.RequestsPerSecond * body.Targets, store.P50, store.P99,
                    single.RequestsPerSecond, single.P50, single.P99, plain is null ? "" : FormattableString.Invariant($"{plain.RequestsPerSecond:N0}"));
                if (count == 1) budgets.OneSender(body, store, single);
                if (count == Many) budgets.ManySenders(body, store, single, plain!);
            }
        }

        Figures.Print("\n| body, {0} senders | req/s | p50 ms | p99 ms |", Many);
        Figures.Print("|---|---|---|---|");
        foreach (var body in bodies)
        {
            var load = new PostgreSqlLoad(cluster.ConnectionString, body, Many, Requests(body, Many));
            var hosts = await CompareAsync(rounds, cluster, body, [
                ("one host", () => HostProcess.RunAsync(load, hosts: 1)),
                ("two hosts", () => HostProcess.RunAsync(load, hosts: 2)),
                ("four hosts", () => HostProcess.RunAsync(load, hosts: 4)),
                ("two hosts without wake-ups", () => HostProcess.RunAsync(load with { Notifications = false }, hosts: 2)),
            ]);
            budgets.WakeUps(body, hosts["two hosts"], hosts["two hosts without wake-ups"]);
            if (body.Targets > 1) continue;

            var aimed = load with { Recipients = 1 };
            var one = await CompareAsync(rounds, cluster, body, [
                ("one host, one device", () => HostProcess.RunAsync(aimed, hosts: 1)),
                ("two hosts, one device", () => HostProcess.RunAsync(aimed, hosts: 2)),
                ("four hosts, one device", () => HostProcess.RunAsync(aimed, hosts: 4)),
                ("one device, one statement each", () => RawAsync(aimed, RawPostgreSqlKind.OneByOne)),
            ]);
            budgets.OneDevice(one["one host, one device"], one["one device, one statement each"]);
        }

        budgets.Print();
    }

    private static async Task<Dictionary<string, Figures>> CompareAsync(
        int rounds, PostgreSqlCluster cluster, Body body, (string Name, Func<Task<Figures>> Run)[] variants)
    {
        var results = await Figures.InterleavedAsync(
            rounds, [.. variants.Select(variant => (variant.Name, (Func<Task<Figures>>)(() => OnNewTablesAsync(cluster, variant.Run))))]);
        foreach (var (variant, figures) in results)
            Figures.Print("| {0}, {1} | {2:N0} | {3:F2} | {4:F2} |", body.Name, variant, figures.RequestsPerSecond, figures.P50, figures.P99);
        return results;
    }

    private static int Requests(Body body, int senders) => senders == 1
        ? body.Targets switch { 1 => 6_000, 20 => 1_500, _ => 200 }
        : Math.Max(senders * 4, body.Targets switch { 1 => 60_000, 20 => 6_000, _ => 800 });

    private static async Task<Figures> OnNewTablesAsync(PostgreSqlCluster cluster, Func<Task<Figures>> run)
    {
        cluster.Execute("DROP SCHEMA IF EXISTS to_device CASCADE");
        var services = new ServiceCollection();
        services.AddSendToDevice().UsePostgreSql(cluster.ConnectionString);
        await StoreLoad.CreateTablesAsync(services);
        // What the last one has left to be written is not written while this one is measured.
        cluster.Execute("CHECKPOINT");
        return await run();
    }

    private static async Task<Figures> RawAsync(PostgreSqlLoad load, RawPostgreSqlKind kind)
    {
        await using var dataSource = NpgsqlDataSource.Create($"{load.ConnectionString};Maximum Pool Size=280");
        // Unbatched, that many would take too long.
        var requests = kind == RawPostgreSqlKind.OneByOne && load.Senders > 1 ? Math.Max(load.Requests / 4, load.Senders * 4) : load.Requests;
        return await RawPostgreSql.MeasureAsync(dataSource, load.Body, load.Senders, requests, kind, load.Recipients);
    }
}
