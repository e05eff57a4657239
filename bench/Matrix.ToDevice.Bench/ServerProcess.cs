using System.Diagnostics;
using System.Globalization;
using Matrix.ToDevice.Tests;

namespace Matrix.ToDevice.Bench;

/// <summary>A server in a process of its own, and what the operating system says of it.</summary>
internal sealed class ServerProcess : IDisposable
{
    private readonly Process _process;
    private readonly DatabaseCpu? _database;
    private readonly string _folder = Directory.CreateTempSubdirectory("todevice-bench-").FullName;

    /// <param name="target">Which server.</param>
    /// <param name="database">For one on PostgreSQL.</param>
    public ServerProcess(HttpTarget target, PostgreSqlCluster? database = null)
    {
        _database = database is null ? null : new DatabaseCpu(database);
        var start = new ProcessStartInfo(target.Program) { RedirectStandardOutput = true };
        foreach (var argument in target.Arguments(_folder, database?.ConnectionString)) start.ArgumentList.Add(argument);
        _process = Process.Start(start)!;
        Address = ReadAddress();
        // What it logs, nobody reads; but it has to go somewhere.
        _ = _process.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
        IsSample = target.IsSample;
    }

    public bool IsSample { get; }

    public Uri Address { get; }

    /// <summary>The processor time used so far.</summary>
    public TimeSpan Cpu
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>The processor time that the database has used so far, when it is a server of its own.</summary>
    public TimeSpan CpuOfDatabase => _database?.Used ?? TimeSpan.Zero;

    /// <summary>How many bytes the server has allocated so far; the sample does not tell.</summary>
    public async Task<double> AllocatedAsync()
    {
        if (IsSample) return double.NaN;

        using var http = new HttpClient();
        return double.Parse(await http.GetStringAsync(new Uri(Address, "/allocated")), CultureInfo.InvariantCulture);
    }

    /// <summary>Every device takes its messages.</summary>
    public async Task DrainAsync()
    {
        using var http = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };
        (await http.PostAsync(new Uri(Address, "/drain"), null)).EnsureSuccessStatusCode();
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>From what the program says at its start.</summary>
    private Uri ReadAddress()
    {
        while (_process.StandardOutput.ReadLine() is { } line)
        {
            if (line.Split(' ').FirstOrDefault(word => word.StartsWith("http://127.0.0.1:", StringComparison.Ordinal)) is { } address)
                return new Uri(address.TrimEnd('.'));
        }

        throw new InvalidOperationException("The server has not started.");
    }
}
