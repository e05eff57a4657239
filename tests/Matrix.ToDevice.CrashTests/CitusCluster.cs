using System.Diagnostics;
using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// A Citus cluster of whoever runs the tests: <c>MATRIX_TODEVICE_TEST_CITUS</c> is the connection string of its coordinator, as a superuser, and
/// <c>MATRIX_TODEVICE_TEST_CITUS_RESTART</c> a shell command that kills one of its workers and returns when that is back. The schemas of the sample in
/// that database are dropped.
/// </summary>
internal sealed class CitusCluster(string connectionString)
{
    private bool _isDrained;

    public static CitusCluster? Find() => Environment.GetEnvironmentVariable("MATRIX_TODEVICE_TEST_CITUS") is { Length: > 0 } named ? new(named) : null;

    public static string? RestartCommand => Environment.GetEnvironmentVariable("MATRIX_TODEVICE_TEST_CITUS_RESTART") is { Length: > 0 } command ? command : null;

    public string ConnectionString => connectionString;

    /// <summary>No tables are left of a run before.</summary>
    public async Task EmptyAsync()
    {
        await ExecuteAsync("DROP SCHEMA IF EXISTS to_device CASCADE");
        await ExecuteAsync("DROP SCHEMA IF EXISTS local_homeserver CASCADE");
    }

    /// <summary>One of the workers dies at once, and is there again when this returns.</summary>
    public static async Task RestartWorkerAsync()
    {
        using var process = Process.Start("sh", ["-c", RestartCommand!]);
        await process.WaitForExitAsync();
        Assert.That(process.ExitCode, Is.Zero, "the command that restarts a worker");
    }

    /// <summary>All shards leave one of the workers, and the next time they come back to it, while everybody goes on.</summary>
    public async Task MoveShardsAsync()
    {
        _isDrained = !_isDrained;
        await ExecuteAsync($"""
            SELECT citus_set_node_property(nodename, nodeport, 'shouldhaveshards', {(_isDrained ? "false" : "true")})
            FROM pg_dist_node WHERE groupid = (SELECT max(groupid) FROM pg_dist_node)
            """);
        await ExecuteAsync("SELECT citus_rebalance_start()");
        await ExecuteAsync("SELECT citus_rebalance_wait()");
    }

    /// <summary>The tables of one machine are spread over all, as operators do it.</summary>
    public Task DistributeAsync() => ExecuteAsync(
        $"BEGIN; SET LOCAL search_path TO to_device, public; {File.ReadAllText(Path.Combine(HostProcess.Repository, "src/Matrix.ToDevice.PostgreSql/Distributed/Schema/citus.sql"))} COMMIT");

    public async Task RestoreAsync()
    {
        if (_isDrained) await MoveShardsAsync();
    }

    private async Task ExecuteAsync(string sql)
    {
        // A session of its own: one of the pool may hold a connection to a worker that was killed since.
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ToString());
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 600 };
        await command.ExecuteNonQueryAsync();
    }
}
