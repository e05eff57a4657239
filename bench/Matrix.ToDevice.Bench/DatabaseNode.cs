using System.Globalization;
using Npgsql;

namespace Matrix.ToDevice.Bench;

/// <summary>A PostgreSQL server on this machine, alone or one of a cluster, and what it has used so far.</summary>
internal sealed class DatabaseNode : IAsyncDisposable
{
    private readonly NpgsqlDataSource _database;
    private readonly DatabaseCpu _cpu;

    private DatabaseNode(NpgsqlDataSource database, int checkpointer) => (_database, _cpu) = (database, new DatabaseCpu(checkpointer));

    public static async Task<DatabaseNode> ConnectAsync(string connectionString)
    {
        var database = NpgsqlDataSource.Create(connectionString);
        await using var command = database.CreateCommand(DatabaseCpu.Checkpointer);
        return new DatabaseNode(database, (int)(await command.ExecuteScalarAsync())!);
    }

    /// <summary>The coordinator of a Citus cluster, and its workers.</summary>
    public static async Task<IReadOnlyList<DatabaseNode>> OfClusterAsync(string coordinator)
    {
        List<DatabaseNode> nodes = [await ConnectAsync(coordinator)];
        await using var command = nodes[0]._database.CreateCommand("SELECT nodename, nodeport FROM pg_dist_node WHERE groupid > 0 AND isactive ORDER BY groupid");
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            nodes.Add(await ConnectAsync(new NpgsqlConnectionStringBuilder(coordinator) { Host = reader.GetString(0), Port = reader.GetInt32(1) }.ConnectionString));
        return nodes;
    }

    public double CpuMicroseconds => _cpu.Used.TotalMicroseconds;

    public Task<double> WalBytesAsync() => NumberAsync("SELECT pg_current_wal_insert_lsn() - '0/0'");

    public async Task<double> NumberAsync(string sql)
    {
        await using var command = _database.CreateCommand(sql);
        return Convert.ToDouble(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
    }

    public async Task ExecuteAsync(string sql)
    {
        await using var command = _database.CreateCommand(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync();
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();
}
