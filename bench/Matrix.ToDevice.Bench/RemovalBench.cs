using System.Collections.Concurrent;
using System.Diagnostics;
using Matrix.ToDevice.Tests;

namespace Matrix.ToDevice.Bench;

/// <summary>What a send costs while devices that it does not name are removed, on a host of their own.</summary>
internal static class RemovalBench
{
    private const int Senders = 4;
    private static readonly TimeSpan s_duration = TimeSpan.FromSeconds(8);

    public static async Task RunAsync(int rounds)
    {
        using var cluster = PostgreSqlCluster.Start();
        var load = new PostgreSqlLoad(cluster.ConnectionString, Body.All[0], Senders, 0);
        var removals = new List<double>();
        var results = await Figures.InterleavedAsync(rounds, ("0", () => MeasureAsync(cluster, load, 0, removals)), ("8", () => MeasureAsync(cluster, load, 8, removals)));
        Figures.Print("| removers of other devices | sends/s | p50 ms | p99 ms | removals/s |");
        Figures.Print("|---|---|---|---|---|");
        foreach (var (removers, figures) in results)
        {
            Figures.Print(
                "| {0} | {1:N0} | {2:F2} | {3:F2} | {4:N0} |", removers, figures.RequestsPerSecond, figures.P50, figures.P99,
                removers == "0" ? 0 : removals.Order().ElementAt(rounds / 2));
        }
    }

    private static async Task<Figures> MeasureAsync(PostgreSqlCluster cluster, PostgreSqlLoad load, int removers, List<double> removals)
    {
        cluster.Execute("DROP SCHEMA IF EXISTS to_device CASCADE");
        await using var sending = load.CreateHost();
        await using var removing = load.CreateHost();
        await StoreLoad.RunAsync([sending], load.Body, Senders, Senders * 250);

        using var stop = new CancellationTokenSource(s_duration);
        var start = Stopwatch.GetTimestamp();
        var removed = 0;
        var ending = Enumerable.Range(0, removers).Select(remover => Task.Run(async () =>
        {
            var inbox = removing.GetRequiredService<IDeviceInbox>();
            for (var n = 0; !stop.IsCancellationRequested; n++, Interlocked.Increment(ref removed))
                await inbox.RemoveDeviceAsync(new DeviceAddress("@other:example.org", $"{remover} {n % 100}"), default);
        })).ToList();

        var latencies = new ConcurrentBag<long>();
        await Task.WhenAll(Enumerable.Range(0, Senders).Select(sender => Task.Run(async () =>
        {
            for (var n = 0; !stop.IsCancellationRequested; n++)
            {
                var began = Stopwatch.GetTimestamp();
                await SendAsync(sending, load.Body, sender, n);
                latencies.Add(Stopwatch.GetElapsedTime(began).Ticks);
            }
        })));
        var elapsed = Stopwatch.GetElapsedTime(start);
        await Task.WhenAll(ending);
        if (removers > 0) removals.Add(removed / elapsed.TotalSeconds);
        return Figures.Of([.. latencies], elapsed);
    }

    private static async Task SendAsync(ServiceProvider host, Body body, int sender, int n)
    {
        var transactions = host.GetRequiredService<ITransactionStore>();
        var key = new TransactionKey("@sender:example.org", $"SENDER{sender}", TransactionKey.SendToDevice, "m.room.encrypted", $"r{n}");
        while (true)
        {
            await using var transaction = (await transactions.BeginAsync(key, transactions.KnownRemovals, default))!;
            await host.GetRequiredService<IDeviceInbox>().AppendAsync(transaction, body.Messages((sender * 251 + n) % Body.Recipients, n), default);
            var result = await transaction.CommitAsync(default);
            if (result == CommitResult.Committed) return;
            if (result != CommitResult.DeviceRemoved) throw new InvalidOperationException($"It was {result}.");
        }
    }
}
