using System.Diagnostics;

namespace Matrix.ToDevice.Bench;

/// <summary>
/// What the in-memory store takes of memory under loads that are made to take much, beside the capacity that it was given.
/// Each load has a process of its own.
/// </summary>
internal static class MemoryBench
{
    private const long Capacity = 64 << 20;
    private const double MiB = 1 << 20;

    private static readonly (string Name, Func<MemoryLoad, Task> Run)[] s_loads =
    [
        ("event types of 8 KB", load => load.SendAsync(60_000, n => new(EventType: Text(n, 8_000)))),
        ("contents of one size after the other, each acknowledged", ContentsOfAllSizesAsync),
        ("contents of 64 KB in sends that are open", load => load.OpenAsync(15_000, 64_000)),
        ("devices that send and are removed", load => load.SendAsync(300_000, n => new(Sender: Device(n)), load.RemoveSenderAsync)),
        ("devices that have acknowledged all", load => load.SendAsync(500_000, n => new(Recipient: Device(n)), load.AcknowledgeAsync)),
        ("devices with one short message each", load => load.SendAsync(1_000_000, n => new(Recipient: Device(n)))),
        ("a device with short messages, acknowledged", ShortMessagesAsync),
        ("records of sends to nobody", load => load.SendAsync(2_000_000, n => new(Messages: 0))),
        ("the same, from users with IDs of 255 characters", load => load.SendAsync(500_000, n => new(Sender: new(Text(n, 255), "D"), Messages: 0))),
        ("contents of 600 KB", load => load.SendAsync(1_000, n => new(Bytes: 600_000))),
        ("EDUs, each to another server", load => load.SendAsync(300_000, n => new(Messages: 0, Destination: $"hs{n}.example.org"))),
        ("EDUs to one server, removed", EdusAsync),
        ("contents of 64 KB in sends that are refused", RefusedAsync),
    ];

    public static async Task RunAsync()
    {
        Figures.Print("Capacity {0} MiB. MiB after the load and a collection, above what there was before it.\n", Capacity / MiB);
        Figures.Print("| load | sends taken | managed heap | ÷ capacity | resident |");
        Figures.Print("|---|---|---|---|---|");
        for (var n = 0; n < s_loads.Length; n++)
        {
            using var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!) { ArgumentList = { "memory", $"{n}" } })!;
            await process.WaitForExitAsync();
        }
    }

    public static async Task RunAsync(int number)
    {
        var (name, run) = s_loads[number];
        // Until it has run once, what is compiled counts too.
        await using (var warm = new MemoryLoad(Capacity)) await warm.SendAsync(1_000, n => new());

        await using var load = new MemoryLoad(Capacity);
        var (heap, resident) = Measure();
        await run(load);
        var (heapAfter, residentAfter) = Measure();
        Figures.Print(
            "| {0} | {1:N0} | {2:N0} | {3:F2} | {4:N0} |", name, load.Taken, (heapAfter - heap) / MiB, (heapAfter - heap) / (double)Capacity,
            (residentAfter - resident) / MiB);
    }

    /// <summary>All sizes that a pool may keep apart: powers of two and the middles between them.</summary>
    private static async Task ContentsOfAllSizesAsync(MemoryLoad load)
    {
        for (var size = 128; size <= 1 << 19; size *= 2)
        {
            foreach (var bytes in (int[])[size, size + (size / 2)])
            {
                await load.SendAsync((int)(Capacity / bytes) + 1, n => new(Bytes: bytes));
                await load.AcknowledgeAsync();
                await load.PurgeAsync();
            }
        }
    }

    private static async Task ShortMessagesAsync(MemoryLoad load)
    {
        await load.SendAsync(200_000, n => new(Messages: 4));
        await load.AcknowledgeAsync();
    }

    private static async Task EdusAsync(MemoryLoad load)
    {
        await load.SendAsync(200_000, n => new(Messages: 0, Destination: "hs2"));
        await load.RemoveEdusAsync("hs2");
    }

    private static async Task RefusedAsync(MemoryLoad load)
    {
        for (var round = 0; round < 3; round++)
        {
            await load.SendAsync(2_000, n => new(Bytes: 64_000));
            for (var n = 0; n < 2_000; n++) await load.AbandonAsync(64_000);
        }
    }

    private static DeviceAddress Device(int n) => new($"@user{n}:example.org", Body.DeviceId);

    private static string Text(int n, int length) => $"@{n}".PadRight(length, 'x');

    private static (long Heap, long Resident) Measure()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect(2, GCCollectionMode.Forced, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        using var process = Process.GetCurrentProcess();
        return (GC.GetTotalMemory(forceFullCollection: true), process.WorkingSet64);
    }
}
