using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Matrix.ToDevice.Bench;

/// <summary>A host of the PostgreSQL store in a process of its own, with its share of the senders.</summary>
internal sealed class HostProcess : IDisposable
{
    private readonly Process _process;

    private HostProcess(PostgreSqlLoad load, int firstSender)
    {
        _process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!)
        {
            ArgumentList =
            {
                "host", load.ConnectionString, load.Notifications.ToString(), load.Body.Name, Text(load.Senders), Text(load.Requests),
                Text(load.Recipients), Text(firstSender),
            },
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;

        static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Several hosts at once, each with its part of a load; they begin together when all have warmed up.</summary>
    public static async Task<Figures> RunAsync(PostgreSqlLoad load, int hosts)
    {
        var part = load with { Senders = load.Senders / hosts, Requests = load.Requests / hosts };
        // The first one makes the tables.
        var processes = Enumerable.Range(0, hosts).Select(host => new HostProcess(part, host * part.Senders)).ToList();
        try
        {
            foreach (var process in processes) await process._process.StandardOutput.ReadLineAsync();
            var start = Stopwatch.GetTimestamp();
            foreach (var process in processes) process._process.StandardInput.WriteLine();
            var latencies = await Task.WhenAll(processes.Select(process => process._process.StandardOutput.ReadLineAsync()));
            var elapsed = Stopwatch.GetElapsedTime(start);
            return Figures.Of([.. latencies.SelectMany(line => MemoryMarshal.Cast<byte, long>(Convert.FromBase64String(line!)).ToArray())], elapsed);
        }
        finally
        {
            foreach (var process in processes) process.Dispose();
        }
    }

    /// <summary>The process's side: says that it is ready, waits for a line, and says how long each request took.</summary>
    public static async Task ServeAsync(PostgreSqlLoad load, int firstSender)
    {
        await using var host = load.CreateHost();
        var (latencies, _) = await StoreLoad.RunAsync(
            [host], load.Body, load.Senders, load.Requests, load.Recipients, firstSender, async () =>
            {
                Console.WriteLine("ready");
                await Console.In.ReadLineAsync();
            });
        Console.WriteLine(Convert.ToBase64String(MemoryMarshal.AsBytes<long>(latencies)));
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
