using System.Globalization;
using Matrix.ToDevice.Tests;

namespace Matrix.ToDevice.Bench;

/// <summary>
/// Requests over HTTP, on each store, beside a bare endpoint that reads the body and gives the same answer from memory, and beside an earlier
/// version. Prints the tables of docs/performance.md, draws their picture.
/// </summary>
internal static class HttpBench
{
    private const int Clients = 64, PageSize = 100;

    private static readonly string[] s_stores = ["memory", "sqlite", HttpTarget.PostgreSql];

    private static readonly (string Name, int Requests)[] s_requests =
        [("send a", 60_000), ("send b", 15_000), ("send c", 1_500), ("empty sync", 60_000), ("page of 100", 15_000)];

    // Of the sample, which does more for each of them.
    private static readonly (string Name, int Requests)[] s_sampleRequests = [("send a", 20_000), ("send b", 5_000), ("send c", 500), ("empty sync", 20_000)];

    /// <param name="rounds">How often each server is measured.</param>
    /// <param name="picture">The SVG file to draw; null for none.</param>
    /// <param name="before">The checkout of an earlier version, built; null for none.</param>
    public static async Task RunAsync(int rounds, string? picture, string? before)
    {
        using var cluster = StartDatabase();
        var chart = new CpuChart([HttpTarget.Bare.Name, .. s_stores]);
        PrintHead(rounds);
        foreach (var (name, requests) in s_requests)
        {
            var results = await MeasureAsync(Targets(s_stores, isSample: false, before), name, requests, rounds, cluster);
            chart.Add(name, [results[HttpTarget.Bare.Name], .. s_stores.Select(kind => results[kind])]);
        }

        foreach (var (name, requests) in s_sampleRequests)
            await MeasureAsync(Targets(["sqlite", HttpTarget.PostgreSql], isSample: true, before), name, requests, rounds, cluster);

        if (picture is not null) chart.Save(picture);
    }

    /// <summary>One kind of request on one store, beside the bare endpoint: to see what a change of the code does.</summary>
    /// <param name="name">The request.</param>
    /// <param name="kind">The store; with <c>sample-</c> in front, that of the sample host.</param>
    /// <param name="rounds">How often each server is measured.</param>
    /// <param name="before">The checkout of an earlier version, built; null for none.</param>
    public static async Task RunOneAsync(string name, string kind, int rounds, string? before)
    {
        using var cluster = kind.EndsWith(HttpTarget.PostgreSql, StringComparison.Ordinal) ? StartDatabase() : null;
        var isSample = kind.StartsWith("sample-", StringComparison.Ordinal);
        PrintHead(rounds);
        await MeasureAsync(
            Targets([isSample ? kind["sample-".Length..] : kind], isSample, before), name,
            (isSample ? s_sampleRequests : s_requests).Single(request => request.Name == name).Requests, rounds, cluster);
    }

    private static List<HttpTarget> Targets(string[] kinds, bool isSample, string? before) =>
    [
        HttpTarget.Bare,
        .. kinds.SelectMany(kind => (HttpTarget[])(before is null ? [new(kind, isSample)] : [new(kind, isSample, before), new(kind, isSample)])),
    ];

    /// <summary>A database with the memory that one for this has.</summary>
    public static PostgreSqlCluster StartDatabase()
    {
        var cluster = PostgreSqlCluster.Start();
        cluster.Execute("ALTER SYSTEM SET shared_buffers = '1GB'");
        cluster.Execute("ALTER SYSTEM SET max_wal_size = '4GB'");
        cluster.StopServer("fast");
        cluster.StartServer();
        return cluster;
    }

    private static void PrintHead(int rounds)
    {
        Figures.Print("Medians of {0} interleaved rounds, {1} clients. CPU in microseconds a request.\n", rounds, Clients);
        Figures.Print("| request | server | req/s | p50 ms | p99 ms | CPU of the server | of the database | req/s ÷ bare | CPU ÷ bare | bytes over bare |");
        Figures.Print("|---|---|---|---|---|---|---|---|---|---|");
    }

    private static async Task<Dictionary<string, Figures>> MeasureAsync(
        List<HttpTarget> targets, string name, int requests, int rounds, PostgreSqlCluster? cluster)
    {
        var results = await Figures.InterleavedAsync(
            rounds, [.. targets.Select(target => (target.Name, (Func<Task<Figures>>)(() => MeasureAsync(target, name, requests, cluster))))]);
        var bare = results[HttpTarget.Bare.Name];
        foreach (var (server, figures) in results)
        {
            var cpu = figures.CpuMicroseconds + figures.DatabaseMicroseconds;
            var bytes = figures.AllocatedBytes - bare.AllocatedBytes;
            Figures.Print(
                "| {0} | {1} | {2:N0} | {3:F2} | {4:F2} | {5:N0} | {6:N0} | {7:F2} | {8:F2} | {9} |",
                name, server, figures.RequestsPerSecond, figures.P50, figures.P99, figures.CpuMicroseconds, figures.DatabaseMicroseconds,
                figures.RequestsPerSecond / bare.RequestsPerSecond, cpu / bare.CpuMicroseconds,
                double.IsNaN(bytes) ? "" : bytes.ToString("N0", CultureInfo.InvariantCulture));
        }

        return results;
    }

    private static async Task<Figures> MeasureAsync(HttpTarget target, string name, int requests, PostgreSqlCluster? cluster)
    {
        if (target.NeedsDatabase) cluster!.Execute("DROP SCHEMA IF EXISTS to_device, local_homeserver CASCADE");
        using var server = new ServerProcess(target, target.NeedsDatabase ? cluster : null);
        var tokens = target.IsSample ? await SampleAccounts.RegisterAsync(server.Address)
            : [.. Enumerable.Range(0, Body.Recipients).Select(user => user.ToString(CultureInfo.InvariantCulture))];

        // Small requests for a while: until then, the server's time goes into compiling what it runs.
        await SendAsync(Body.All[0], target.NeedsDatabase || target.IsSample ? 20_000 : 60_000, firstNumber: 0);
        switch (name)
        {
            case "empty sync":
                await DrainAsync();
                var since = await Task.WhenAll(Enumerable.Range(0, Clients).Select(SinceAsync));
                return await SyncAsync(user => HttpRequests.Syncs(tokens[user], since[user], target.IsSample));
            case "page of 100":
                await DrainAsync();
                for (var n = 0; n < PageSize; n++)
                    await HttpLoad.SendOneAsync(server, HttpRequests.Send(tokens[n], Enumerable.Range(0, Clients), 900_000_000 + n));
                return await SyncAsync(user => HttpRequests.Syncs(tokens[user], null, isChunked: true));
            default:
                await DrainAsync();
                var body = Body.All.Single(body => name.EndsWith(body.Name, StringComparison.Ordinal));
                // As many as are measured: the memory that pending messages take up is there, and is used again.
                await SendAsync(body, requests, firstNumber: 1_000_000);
                await DrainAsync();
                if (target.NeedsDatabase) cluster!.Execute("CHECKPOINT");
                return await SendAsync(body, requests, firstNumber: 2_000_000);
        }

        Task<Figures> SendAsync(Body body, int count, int firstNumber) =>
            HttpLoad.RunAsync(server, Clients, count, user => HttpRequests.Sends(tokens[user], body, firstNumber + (user * (count / Clients))));

        async Task<Figures> SyncAsync(Func<int, HttpRequests> requestsOf)
        {
            // Until what a page takes has been compiled for good.
            await HttpLoad.RunAsync(server, Clients, target.IsSample ? requests : 60_000, requestsOf);
            return await HttpLoad.RunAsync(server, Clients, requests, requestsOf);
        }

        // Of the sample, only those who sync take their messages.
        Task DrainAsync() => target.IsSample ? Task.CompletedTask : server.DrainAsync();

        // The token of a response behind which there is nothing.
        async Task<string> SinceAsync(int user)
        {
            for (string since = "", last = "-"; ; last = since)
            {
                var answer = await HttpLoad.SendOneAsync(server, HttpRequests.Syncs(tokens[user], since, target.IsSample));
                since = answer.Split("\"next_batch\":\"")[1].Split('"')[0];
                if (since == last) return since;
            }
        }
    }
}
