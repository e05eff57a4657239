using Microsoft.Data.Sqlite;

namespace Matrix.ToDevice.Tests;

/// <summary>One host with its files. It is killed: its log is left behind, and must not be found beside the copy.</summary>
internal sealed class SqliteBackupTarget : IBackupTarget
{
    private static readonly string[] s_files = ["to-device.db", "accounts.db"];

    private readonly DirectoryInfo _data = Directory.CreateTempSubdirectory("todevice-backup-");
    private readonly HostProcess _host;

    public SqliteBackupTarget() => _host = new HostProcess("--Store", "sqlite", "--Data", _data.FullName);

    public Uri Address => _host.Address;

    public Task StartAsync() => _host.StartAsync();

    public async Task BackUpAsync()
    {
        foreach (var file in s_files)
        {
            await using var connection = new SqliteConnection($"Data Source={PathOf(file)};Mode=ReadOnly;Pooling=False");
            await connection.OpenAsync();
            await using var command = connection.CreateCommand();
            command.CommandText = $"VACUUM INTO '{PathOf($"{file}.copy")}'";
            await command.ExecuteNonQueryAsync();
        }
    }

    public async Task RestoreAsync()
    {
        await _host.KillAsync();
        foreach (var file in s_files)
        {
            foreach (var part in (ReadOnlySpan<string>)["", "-wal", "-shm"]) File.Delete(PathOf(file) + part);
            File.Copy(PathOf($"{file}.copy"), PathOf(file));
        }

        await _host.StartAsync();
    }

    public ValueTask DisposeAsync()
    {
        _host.Dispose();
        _data.Delete(recursive: true);
        return default;
    }

    private string PathOf(string file) => Path.Combine(_data.FullName, file);
}
