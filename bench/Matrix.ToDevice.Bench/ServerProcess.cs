using System.Diagnostics;
using System.Globalization;
using Matrix.ToDevice.Tests;

namespace Matrix.ToDevice.Bench;

/// <summary>A <see cref="BenchServer"/> in a process of its own, and what the operating system says of it.</summary>
internal sealed class ServerProcess : IDisposable
{
    private readonly Process _process;
    private readonly DatabaseCpu? _database;
    private readonly string _folder = Directory.CreateTempSubdirectory("todevice-bench-").FullName;

    /// <param name="kind">As <see cref="BenchServer.RunAsync"/> takes it.</param>
    /// <param name="database">For a server on PostgreSQL.</param>
    public ServerProcess(string kind, PostgreSqlCluster? database = null)
    {
        _database = database is null ? null : new DatabaseCpu(database);
        _process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!)
        {
            ArgumentList = { "serve", kind, database?.ConnectionString ?? _folder },
            RedirectStandardOutput = true,
        })!;
        Address = new Uri(_process.StandardOutput.ReadLine()!);
    }

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

    public async Task<long> AllocatedAsync()
    {
        using var http = new HttpClient();
        return long.Parse(await http.GetStringAsync(new Uri(Address, "/allocated")), CultureInfo.InvariantCulture);
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
}
