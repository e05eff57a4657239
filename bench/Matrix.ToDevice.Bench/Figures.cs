using System.Globalization;

namespace Matrix.ToDevice.Bench;

/// <summary>One measured run.</summary>
internal sealed record Figures(double RequestsPerSecond, double P50, double P99, double CpuMicroseconds = 0, double AllocatedBytes = 0, double DatabaseMicroseconds = 0, double Requests = 0)
{
    public static Figures Of(long[] latencies, TimeSpan elapsed)
    {
        var sorted = latencies.Order().ToArray();
        return new Figures(sorted.Length / elapsed.TotalSeconds, Milliseconds(0.50), Milliseconds(0.99), Requests: sorted.Length);

        double Milliseconds(double quantile) =>
            TimeSpan.FromTicks(sorted[(int)(quantile * (sorted.Length - 1))]).TotalMilliseconds;
    }

    /// <summary>Runs the variants in turn, so many times, and gives for each the median of every figure.</summary>
    public static async Task<Dictionary<string, Figures>> InterleavedAsync(
        int rounds, params (string Name, Func<Task<Figures>> Run)[] variants)
    {
        var runs = variants.ToDictionary(variant => variant.Name, _ => new List<Figures>());
        for (var round = 0; round < rounds; round++)
        {
            foreach (var (name, run) in variants)
            {
                GC.Collect();
                runs[name].Add(await run());
            }
        }

        return runs.ToDictionary(pair => pair.Key, pair => new Figures(
            Median(pair.Value, f => f.RequestsPerSecond), Median(pair.Value, f => f.P50), Median(pair.Value, f => f.P99),
            Median(pair.Value, f => f.CpuMicroseconds), Median(pair.Value, f => f.AllocatedBytes), Median(pair.Value, f => f.DatabaseMicroseconds)));
    }

    public static void Print(string format, params object[] values) =>
        Console.WriteLine(string.Format(CultureInfo.InvariantCulture, format, values));

    private static double Median(List<Figures> runs, Func<Figures, double> figure) => runs.Select(figure).Order().ElementAt(runs.Count / 2);
}
