using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Matrix.ToDevice.Tests;

/// <summary>A folder with the files of one host.</summary>
internal sealed class SqliteServerStore : IServerStore
{
    private readonly DirectoryInfo _data = Directory.CreateTempSubdirectory("todevice-crash-");

    public string[] Settings => ["--Store", "sqlite", "--Data", _data.FullName];

    // A record is changed when it is found again, and at no other time.
    public Task WatchAsync() => ExecuteAsync("""
        CREATE TABLE found_again (device INTEGER, key BLOB, PRIMARY KEY (device, key));
        CREATE TRIGGER find_again AFTER UPDATE ON to_device_transaction
        BEGIN INSERT OR IGNORE INTO found_again VALUES (NEW.device, NEW.key); END;
        """);

    public Task<int> CountFoundAgainAsync() => ExecuteAsync("SELECT count(*) FROM found_again");

    public Task<int> CountWaitingEdusAsync() => ExecuteAsync("SELECT count(*) FROM to_device_edu");

    public void Dispose() => _data.Delete(recursive: true);

    private async Task<int> ExecuteAsync(string sql)
    {
        await using var connection = new SqliteConnection($"Data Source={Path.Combine(_data.FullName, "to-device.db")};Mode=ReadWrite;Pooling=False");
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToInt32(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
    }
}
