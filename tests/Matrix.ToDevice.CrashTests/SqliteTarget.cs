using System.Buffers.Binary;
using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Matrix.ToDevice.Tests;

/// <summary>One host with its file; the host is killed.</summary>
internal sealed class SqliteTarget : ICrashTarget
{
    private readonly DirectoryInfo _data = Directory.CreateTempSubdirectory("todevice-crash-");
    private readonly HostProcess _host;
    private int _committedUnanswered;

    public SqliteTarget() => _host = new HostProcess("--Store", "sqlite", "--Data", _data.FullName);

    public Uri Address => _host.Address;

    public Task StartAsync() => _host.StartAsync();

    public async Task CrashAsync(Func<IReadOnlyList<TransactionKey>> unanswered)
    {
        await _host.KillAsync();
        CountCommitted(unanswered());
        await _host.StartAsync();
    }

    public Task<int> CountCommittedUnansweredAsync() => Task.FromResult(_committedUnanswered);

    public ValueTask DisposeAsync()
    {
        _host.Dispose();
        _data.Delete(recursive: true);
        return default;
    }

    /// <summary>A record in the file, and no answer at the client.</summary>
    private void CountCommitted(IReadOnlyList<TransactionKey> unanswered)
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(_data.FullName, "to-device.db")};Mode=ReadOnly;Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = """
            SELECT count(*) FROM to_device_transaction t JOIN to_device_device d ON d.id = t.device
            WHERE d.user_id = $user AND d.device_id = $device AND t.key = $key
            """;
        foreach (var key in unanswered)
        {
            var fingerprint = new byte[16];
            BinaryPrimitives.WriteUInt128BigEndian(fingerprint, key.Fingerprint());
            command.Parameters.Clear();
            command.Parameters.AddWithValue("$user", key.UserId);
            command.Parameters.AddWithValue("$device", key.DeviceId);
            command.Parameters.AddWithValue("$key", fingerprint);
            _committedUnanswered += Convert.ToInt32(command.ExecuteScalar(), CultureInfo.InvariantCulture);
        }
    }
}
