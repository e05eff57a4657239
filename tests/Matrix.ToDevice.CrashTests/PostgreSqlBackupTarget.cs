using System.Diagnostics;

namespace Matrix.ToDevice.Tests;

/// <summary>Two hosts on one database, of which a dump is made.</summary>
internal sealed class PostgreSqlBackupTarget : IBackupTarget
{
    private readonly PostgreSqlCluster _cluster;
    private readonly string _database = $"backup{Guid.NewGuid():N}";
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("todevice-backup-");
    private readonly HostProcess[] _hosts;

    public PostgreSqlBackupTarget(PostgreSqlCluster cluster)
    {
        _cluster = cluster;
        _cluster.Execute($"CREATE DATABASE {_database}");
        var settings = new PostgreSqlServerStore($"{cluster.ConnectionString};Database={_database}").Settings;
        _hosts = [new HostProcess(settings), new HostProcess(settings)];
    }

    public Uri Address => _hosts[Random.Shared.Next(_hosts.Length)].Address;

    private string Dump => Path.Combine(_folder.FullName, "copy.dump");

    public Task StartAsync() => Task.WhenAll(_hosts.Select(host => host.StartAsync()));

    public Task BackUpAsync() => RunAsync("pg_dump", "--format=custom", $"--file={Dump}", $"--dbname={_database}");

    public async Task RestoreAsync()
    {
        await Task.WhenAll(_hosts.Select(host => host.KillAsync()));
        _cluster.Execute($"DROP DATABASE {_database} WITH (FORCE)");
        _cluster.Execute($"CREATE DATABASE {_database}");
        await RunAsync("pg_restore", "--exit-on-error", $"--dbname={_database}", Dump);
        await StartAsync();
    }

    public ValueTask DisposeAsync()
    {
        foreach (var host in _hosts) host.Dispose();
        _folder.Delete(recursive: true);
        return default;
    }

    private async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(
            Path.Combine(PostgreSqlCluster.Programs!, program), ["--host=127.0.0.1", $"--port={_cluster.Port}", "--username=postgres", .. arguments])
        {
            RedirectStandardError = true,
        })!;
        var errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.That(process.ExitCode, Is.Zero, errors);
    }
}
