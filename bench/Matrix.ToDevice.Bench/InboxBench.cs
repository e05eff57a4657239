using System.Diagnostics;
using Matrix.ToDevice.Tests;
using Npgsql;

namespace Matrix.ToDevice.Bench;

/// <summary>
/// Many messages through one inbox of the PostgreSQL store, in pages of a hundred that are read from the beginning and acknowledged:
/// what a page costs at the beginning, in the middle and at the end.
/// </summary>
internal static class InboxBench
{
    private const int Page = 100, Sample = 200, PerSend = 1000;
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(3);
    private static readonly DeviceAddress s_device = new("@user0:example.org", Body.DeviceId);

    public static async Task RunAsync(int messages)
    {
        Figures.Print("| {0:N0} messages | page: first ms | middle ms | last ms | messages/s |", messages);
        Figures.Print("|---|---|---|---|---|");
        foreach (var isHeld in (bool[])[false, true])
        {
            using var cluster = PostgreSqlCluster.Start();
            cluster.Execute("ALTER SYSTEM SET shared_buffers = '1GB'");
            cluster.Execute("ALTER SYSTEM SET max_wal_size = '4GB'");
            cluster.StopServer("fast");
            cluster.StartServer();
            await using var host = new PostgreSqlLoad(cluster.ConnectionString, Body.All[0], 1, 0).CreateHost();
            await FillAsync(host, messages);

            await using var holder = new NpgsqlConnection(cluster.ConnectionString);
            await holder.OpenAsync();
            await using var snapshot = await holder.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead);
            await using var look = new NpgsqlCommand("SELECT count(*) FROM to_device.to_device_schema", holder);
            if (isHeld) await look.ExecuteScalarAsync();
            await DrainAsync(host.GetRequiredService<IDeviceInbox>(), messages, isHeld ? "under a held snapshot" : "no snapshot");
        }
    }

    private static async Task FillAsync(ServiceProvider host, int messages)
    {
        var (transactions, inbox) = (host.GetRequiredService<ITransactionStore>(), host.GetRequiredService<IDeviceInbox>());
        var content = Body.All[0].Content;
        for (var n = 0; n < messages; n += PerSend)
        {
            var ids = Enumerable.Range(n, PerSend);
            await StoreLoad.CommitAsync(transactions, $"t{n}", transaction => inbox.AppendAsync(
                transaction, [.. ids.Select(id => new ToDeviceMessage(s_device, "@sender:example.org", "m.room.encrypted", content, id))], default));
        }
    }

    private static async Task DrainAsync(IDeviceInbox inbox, int messages, string name)
    {
        var times = new List<double>();
        var start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < s_longest)
        {
            var began = Stopwatch.GetTimestamp();
            using var page = await inbox.ReadAsync(s_device, InboxPosition.Start, Page, int.MaxValue, default);
            if (page.Messages.Count == 0) break;
            if (await inbox.AcknowledgeAsync(s_device, page.Messages[^1].Position, default) != page.Messages.Count)
                throw new InvalidOperationException("It was not acknowledged.");
            times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }

        var elapsed = Stopwatch.GetElapsedTime(start);
        var done = times.Count * Page;
        Figures.Print(
            "| {0}{1} | {2:F2} | {3:F2} | {4:F2} | {5:N0} |", name,
            done < messages ? FormattableString.Invariant($", ended after {done:N0} ({s_longest.TotalMinutes:N0} minutes)") : "",
            // Not the very first: its time goes into compiling what runs.
            Fast(times[20..Sample]), Fast(times.Skip(times.Count / 2).Take(Sample)), Fast(times.TakeLast(Sample)), done / elapsed.TotalSeconds);
    }

    /// <summary>What a tenth of them take at most: without what others do on the machine meanwhile.</summary>
    private static double Fast(IEnumerable<double> times) => times.Order().ElementAt(Sample / 10);
}
