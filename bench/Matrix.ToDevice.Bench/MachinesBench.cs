namespace Matrix.ToDevice.Bench;

/// <summary>
/// What the layout for many machines costs, beside the layout for one on one plain PostgreSQL: time of the processors for each server, what goes
/// into their logs, and how often a host asks. All servers are on this machine, so that a rate says little about one with a machine for each.
/// </summary>
internal static class MachinesBench
{
    private const string Schema = "to_device_bench";
    private static readonly int[] s_senders = [1, 64];

    /// <param name="rounds">How many, variants taking turns.</param>
    /// <param name="plain">A PostgreSQL on this machine; without it, one is started.</param>
    /// <param name="coordinator">The coordinator of a Citus cluster on this machine, if there is one.</param>
    public static async Task RunAsync(int rounds, string? plain, string? coordinator)
    {
        using var own = plain is null ? HttpBench.StartDatabase() : null;
        plain ??= own!.ConnectionString;
        await using var server = await DatabaseNode.ConnectAsync(plain);
        var cluster = coordinator is null ? [] : await DatabaseNode.OfClusterAsync(coordinator);
        using var statements = new StatementCounter();

        List<MachinesLoad> loads =
        [
            await MachinesLoad.CreateAsync("one machine", plain, $"{Schema}_one", PostgreSqlLayout.OneMachine, [server]),
            await MachinesLoad.CreateAsync("its layout for many, on one", plain, $"{Schema}_ready", PostgreSqlLayout.CitusReady, [server]),
        ];
        if (coordinator is not null) loads.Add(await MachinesLoad.CreateAsync($"{cluster.Count - 1} workers", coordinator, Schema, PostgreSqlLayout.Citus, cluster));

        Figures.Print("Medians of {0} interleaved rounds, contents of {1} bytes; CPU in µs and log in bytes, for each operation.\n", rounds, MachinesLoad.ContentBytes);
        PrintHead();
        foreach (var senders in s_senders)
        {
            foreach (var operation in MachinesLoad.Operations)
                await CompareAsync(rounds, operation.Name, senders, [.. loads.Select(load => (load.Name, load.Nodes, load.Prepare(operation, senders)))], statements);
        }

        await using var rawPlain = await RawMachines.CreateAsync(plain, $"{Schema}_raw", isDistributed: false);
        await using var rawCluster = coordinator is null ? null : await RawMachines.CreateAsync(coordinator, $"{Schema}_raw", isDistributed: true);
        Figures.Print("\nThe same record and message in two buckets, with statements of their own.\n");
        PrintHead();
        foreach (var senders in s_senders)
        {
            foreach (var kind in RawMachines.Kinds)
            {
                await CompareAsync(
                    rounds, kind, senders,
                    [
                        (loads[0].Name, [server], rawPlain.Prepare(kind, senders)),
                        .. rawCluster is null ? [] : new[] { (loads[^1].Name, cluster, rawCluster.Prepare(kind, senders)) },
                    ],
                    statements);
            }
        }

        foreach (var load in loads) await load.DisposeAsync();
        await RowSizes.PrintAsync(server, Schema);
        foreach (var load in loads) await load.DropAsync();
        foreach (var node in cluster) await node.DisposeAsync();
    }

    private static void PrintHead()
    {
        Figures.Print("| operation | at once | servers | a second | ÷ one machine | p50 ms | host | first server | each worker | CPU of all ÷ one machine | log | log of each worker | asks |");
        Figures.Print("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    }

    private static async Task CompareAsync(
        int rounds, string name, int senders,
        IReadOnlyList<(string Name, IReadOnlyList<DatabaseNode> Nodes, Func<Task<Func<Task<Figures>>>> Prepare)> variants,
        StatementCounter statements)
    {
        var runs = variants.Select(_ => new List<Usage>()).ToArray();
        for (var round = 0; round < rounds; round++)
        {
            for (var i = 0; i < variants.Count; i++)
            {
                var run = await variants[i].Prepare();
                runs[i].Add(await Usage.OfAsync(variants[i].Nodes, statements, run));
            }
        }

        var medians = runs.Select(Usage.Median).ToArray();
        for (var i = 0; i < variants.Count; i++)
        {
            var (one, usage) = (medians[0], medians[i]);
            Figures.Print(
                "| {0} | {1} | {2} | {3:N0} | {4:F2} | {5:F2} | {6:N0} | {7:N0} | {8} | {9:F1} | {10:N0} | {11} | {12:F2} |", name, senders, variants[i].Name,
                usage.PerSecond, usage.PerSecond / one.PerSecond, usage.P50, usage.Host, usage.Cpu[0], Workers(usage.Cpu), usage.Cpu.Sum() / one.Cpu[0],
                usage.Wal[0], Workers(usage.Wal), usage.Statements);
        }

        static string Workers(double[] nodes) => string.Join(" + ", nodes.Skip(1).Select(node => FormattableString.Invariant($"{node:N0}")));
    }

    /// <summary>What each operation took.</summary>
    private sealed record Usage(double PerSecond, double P50, double Host, double Statements, double[] Cpu, double[] Wal)
    {
        public static async Task<Usage> OfAsync(
            IReadOnlyList<DatabaseNode> nodes, StatementCounter statements, Func<Task<Figures>> run)
        {
            GC.Collect();
            var (cpu, wal) = (nodes.Select(node => node.CpuMicroseconds).ToArray(), await WalAsync());
            var (host, asked) = (Environment.CpuUsage.TotalTime, statements.Count);
            var figures = await run();
            return new Usage(
                figures.RequestsPerSecond, figures.P50, (Environment.CpuUsage.TotalTime - host).TotalMicroseconds / figures.Requests, (statements.Count - asked) / figures.Requests,
                [.. nodes.Select((node, i) => (node.CpuMicroseconds - cpu[i]) / figures.Requests)], [.. (await WalAsync()).Select((bytes, i) => (bytes - wal[i]) / figures.Requests)]);

            Task<double[]> WalAsync() => Task.WhenAll(nodes.Select(node => node.WalBytesAsync()));
        }

        public static Usage Median(List<Usage> runs)
        {
            return new Usage(
                Of(run => run.PerSecond), Of(run => run.P50), Of(run => run.Host), Of(run => run.Statements), OfNodes(run => run.Cpu), OfNodes(run => run.Wal));

            double Of(Func<Usage, double> figure) => runs.Select(figure).Order().ElementAt(runs.Count / 2);
            double[] OfNodes(Func<Usage, double[]> figures) => [.. Enumerable.Range(0, figures(runs[0]).Length).Select(i => Of(run => figures(run)[i]))];
        }
    }
}
