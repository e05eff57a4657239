namespace Matrix.ToDevice.Bench;

/// <summary>The module over HTTP, in memory and on SQLite, beside a bare endpoint that reads the body and answers <c>{}</c>.</summary>
internal static class HttpBench
{
    private const int Senders = 64;

    private static readonly string[] s_kinds = ["bare", "memory", "sqlite"];

    public static async Task RunAsync(int rounds, IEnumerable<Body> bodies)
    {
        Figures.Print("Medians of {0} interleaved rounds, each on a server of its own. Ratios are to the bare endpoint.", rounds);
        Figures.Print("body senders store      req/s   msg/s  p50 ms  p99 ms  cpu us  alloc B   req/s    p99    cpu  alloc B over bare");
        foreach (var body in bodies)
        {
            var requests = body.Targets switch { 1 => 60_000, 20 => 20_000, _ => 2_500 };
            var results = await Figures.InterleavedAsync(
                rounds, [.. s_kinds.Select(kind => (kind, (Func<Task<Figures>>)(() => MeasureAsync(kind, body, requests))))]);
            var bare = results["bare"];
            foreach (var (kind, figures) in results)
            {
                Figures.Print(
                    "{0,-4} {1,7} {2,-8} {3,8:F0} {4,7:F0} {5,7:F2} {6,7:F2} {7,7:F0} {8,8:F0} {9,7:F2} {10,6:F2} {11,6:F2} {12,8:F0}",
                    body.Name, Senders, kind, figures.RequestsPerSecond, figures.RequestsPerSecond * body.Targets, figures.P50, figures.P99,
                    figures.CpuMicroseconds, figures.AllocatedBytes, figures.RequestsPerSecond / bare.RequestsPerSecond,
                    figures.P99 / bare.P99, figures.CpuMicroseconds / bare.CpuMicroseconds, figures.AllocatedBytes - bare.AllocatedBytes);
            }
        }
    }

    private static async Task<Figures> MeasureAsync(string kind, Body body, int requests)
    {
        using var server = new ServerProcess(kind);
        // Small requests for a while: until then, the server's time goes into compiling what it runs.
        await HttpLoad.RunAsync(server, Body.All[0], Senders, 60_000, firstNumber: 0);
        // As many as are measured: the memory that pending messages take up is there, and is used again.
        await HttpLoad.RunAsync(server, body, Senders, requests, firstNumber: 1_000_000);
        await server.DrainAsync();
        return await HttpLoad.RunAsync(server, body, Senders, requests, firstNumber: 2_000_000);
    }
}
