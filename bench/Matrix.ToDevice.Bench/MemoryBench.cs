using System.Diagnostics;
using Matrix.ToDevice.Tests;

namespace Matrix.ToDevice.Bench;

/// <summary>
/// What the in-memory store takes of memory under loads that are made to take much, beside the capacity that it was given.
/// Each load has a process of its own.
/// </summary>
internal static class MemoryBench
{
    private const long Capacity = 64 << 20;
    private const double MiB = 1 << 20;

    public static async Task RunAsync()
    {
        Figures.Print("Capacity {0} MiB. MiB after the load and a collection, above what there was before it.\n", Capacity / MiB);
        Figures.Print("| load | sends taken | managed heap | ÷ capacity | resident |");
        Figures.Print("|---|---|---|---|---|");
        for (var n = 0; n < MemoryLoads.All.Count; n++)
        {
            using var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!) { ArgumentList = { "memory", $"{n}" } })!;
            await process.WaitForExitAsync();
        }
    }

    public static async Task RunAsync(int number)
    {
        // Until it has run once, what is compiled counts too.
        await using (var warm = new MemoryLoad(Capacity)) await warm.SendAsync(1_000, _ => new());

        var kind = MemoryLoads.All[number];
        var (heap, resident) = Measure();
        await using var load = new MemoryLoad(Capacity);
        var taken = await kind.RunAsync(load);
        var (heapAfter, residentAfter) = Measure();
        Figures.Print(
            "| {0} | {1:N0} | {2:N0} | {3:F2} | {4:N0} |", kind.Name, taken, (heapAfter - heap) / MiB, (heapAfter - heap) / (double)Capacity,
            (residentAfter - resident) / MiB);
    }

    private static (long Heap, long Resident) Measure()
    {
        var heap = GC.GetTotalMemory(forceFullCollection: true);
        using var process = Process.GetCurrentProcess();
        return (heap, process.WorkingSet64);
    }
}
