using Matrix.ToDevice.Tests;

namespace Matrix.ToDevice.Bench;

/// <summary>
/// Requests over HTTP, on each store, beside a bare endpoint that reads the body and gives the same answer from memory. Prints the table
/// of docs/performance.md, draws its picture.
/// </summary>
internal static class HttpBench
{
    private const int Clients = 64, PageSize = 100;
    private const string Bare = "bare";

    private static readonly string[] s_kinds = [Bare, "memory", "sqlite", "postgresql"];

    private static readonly (string Name, int Requests)[] s_requests =
        [("send a", 60_000), ("send b", 15_000), ("send c", 1_500), ("empty sync", 60_000), ("page of 100", 15_000)];

    /// <param name="rounds">How often each server is measured.</param>
    /// <param name="picture">The SVG file to draw; null for none.</param>
    public static async Task RunAsync(int rounds, string? picture)
    {
        using var cluster = PostgreSqlCluster.Start();
        cluster.Execute("ALTER SYSTEM SET shared_buffers = '1GB'");
        cluster.Execute("ALTER SYSTEM SET max_wal_size = '4GB'");
        cluster.StopServer("fast");
        cluster.StartServer();

        var chart = new CpuChart(s_kinds);
        PrintHead(rounds);
        foreach (var (name, requests) in s_requests)
        {
            var results = await MeasureAsync(s_kinds, name, requests, rounds, cluster);
            chart.Add(name, [.. s_kinds.Select(kind => results[kind])]);
        }

        if (picture is not null) chart.Save(picture);
    }

    /// <summary>One kind of request in memory, beside the bare endpoint: to see what a change of the code does.</summary>
    public static async Task RunInMemoryAsync(string name, int rounds)
    {
        PrintHead(rounds);
        await MeasureAsync([Bare, "memory"], name, s_requests.Single(request => request.Name == name).Requests, rounds, cluster: null);
    }

    private static void PrintHead(int rounds)
    {
        Figures.Print("Medians of {0} interleaved rounds, {1} clients. CPU in microseconds a request.\n", rounds, Clients);
        Figures.Print("| request | server | req/s | p50 ms | p99 ms | CPU of the server | of the database | req/s ÷ bare | CPU ÷ bare | bytes over bare |");
        Figures.Print("|---|---|---|---|---|---|---|---|---|---|");
    }

    private static async Task<Dictionary<string, Figures>> MeasureAsync(
        string[] kinds, string name, int requests, int rounds, PostgreSqlCluster? cluster)
    {
        var results = await Figures.InterleavedAsync(
            rounds, [.. kinds.Select(kind => (kind, (Func<Task<Figures>>)(() => MeasureAsync(kind, name, requests, cluster))))]);
        var bare = results[Bare];
        foreach (var (kind, figures) in results)
        {
            var cpu = figures.CpuMicroseconds + figures.DatabaseMicroseconds;
            Figures.Print(
                "| {0} | {1} | {2:N0} | {3:F2} | {4:F2} | {5:N0} | {6:N0} | {7:F2} | {8:F2} | {9:N0} |",
                name, kind, figures.RequestsPerSecond, figures.P50, figures.P99, figures.CpuMicroseconds, figures.DatabaseMicroseconds,
                figures.RequestsPerSecond / bare.RequestsPerSecond, cpu / bare.CpuMicroseconds, figures.AllocatedBytes - bare.AllocatedBytes);
        }

        return results;
    }

    private static async Task<Figures> MeasureAsync(string kind, string name, int requests, PostgreSqlCluster? cluster)
    {
        if (kind == "postgresql") cluster!.Execute("DROP SCHEMA IF EXISTS to_device CASCADE");
        using var server = new ServerProcess(kind, kind == "postgresql" ? cluster : null);

        // Small requests for a while: until then, the server's time goes into compiling what it runs.
        await SendAsync(Body.All[0], kind == "postgresql" ? 20_000 : 60_000, firstNumber: 0);
        await server.DrainAsync();
        switch (name)
        {
            case "empty sync":
                var tokens = await Task.WhenAll(Enumerable.Range(0, Clients).Select(user => TokenAsync(server, user)));
                return await SyncAsync(user => HttpRequests.Syncs(user, tokens[user], isPage: false));
            case "page of 100":
                for (var n = 0; n < PageSize; n++) await HttpLoad.SendOneAsync(server, HttpRequests.Send(n, Enumerable.Range(0, Clients), 900_000_000 + n));
                return await SyncAsync(user => HttpRequests.Syncs(user, null, isPage: true));
            default:
                var body = Body.All.Single(body => name.EndsWith(body.Name, StringComparison.Ordinal));
                // As many as are measured: the memory that pending messages take up is there, and is used again.
                await SendAsync(body, requests, firstNumber: 1_000_000);
                await server.DrainAsync();
                if (kind == "postgresql") cluster!.Execute("CHECKPOINT");
                return await SendAsync(body, requests, firstNumber: 2_000_000);
        }

        Task<Figures> SendAsync(Body body, int count, int firstNumber) =>
            HttpLoad.RunAsync(server, Clients, count, user => HttpRequests.Sends(user, body, firstNumber + (user * (count / Clients))));

        async Task<Figures> SyncAsync(Func<int, HttpRequests> requestsOf)
        {
            // Until what a page takes has been compiled for good.
            await HttpLoad.RunAsync(server, Clients, 60_000, requestsOf);
            return await HttpLoad.RunAsync(server, Clients, requests, requestsOf);
        }
    }

    /// <summary>What the first sync of a user without messages answers.</summary>
    private static async Task<string> TokenAsync(ServerProcess server, int user) =>
        (await HttpLoad.SendOneAsync(server, HttpRequests.Syncs(user, "", isPage: false))).Split('"')[^2];
}
