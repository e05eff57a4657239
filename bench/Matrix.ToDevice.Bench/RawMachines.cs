using System.Globalization;
using Npgsql;

namespace Matrix.ToDevice.Bench;

/// <summary>A record and a message in two buckets: in one transaction, which is a two-phase one where these are on two machines, or in two.</summary>
internal sealed class RawMachines : IAsyncDisposable
{
    private const string OneRow = "one row", TwoCommits = "record, then message", OneTransaction = "record and message in one transaction";
    private static readonly byte[] s_content = new Body("", 1, MachinesLoad.ContentBytes).Content;

    private readonly NpgsqlDataSource _database;
    private readonly string _schema, _record, _message;

    private RawMachines(NpgsqlDataSource database, string schema) => (_database, _schema, _record, _message) = (
        database, schema, $"INSERT INTO {schema}.record (bucket, key) VALUES ($1, $2)",
        $"INSERT INTO {schema}.message (bucket, key, sender, event_type, content) VALUES ($1, $2, $3, $4, $5)");

    public static IReadOnlyList<string> Kinds { get; } = [OneRow, TwoCommits, OneTransaction];

    public static async Task<RawMachines> CreateAsync(string connectionString, string schema, bool isDistributed)
    {
        var database = NpgsqlDataSource.Create($"{connectionString};Maximum Pool Size=80;No Reset On Close=true");
        await using var command = database.CreateCommand($"""
            DROP SCHEMA IF EXISTS {schema} CASCADE;
            CREATE SCHEMA {schema};
            CREATE TABLE {schema}.record (bucket integer NOT NULL, key uuid NOT NULL, PRIMARY KEY (bucket, key));
            CREATE TABLE {schema}.message (
                bucket integer NOT NULL, key uuid NOT NULL, sender text NOT NULL, event_type text NOT NULL, content bytea NOT NULL, PRIMARY KEY (bucket, key));
            {(isDistributed ? $"SELECT create_distributed_table('{schema}.record', 'bucket'); SELECT create_distributed_table('{schema}.message', 'bucket');" : "")}
            """);
        await command.ExecuteNonQueryAsync();
        var raw = new RawMachines(database, schema);
        foreach (var kind in Kinds) await (await raw.Prepare(kind, 64)())();
        return raw;
    }

    public Func<Task<Func<Task<Figures>>>> Prepare(string kind, int senders) =>
        () => Task.FromResult(() => MachinesLoad.SendersAsync(senders, int.MaxValue, (_, _) => WriteAsync(kind)));

    public async ValueTask DisposeAsync()
    {
        await using (var command = _database.CreateCommand($"DROP SCHEMA {_schema} CASCADE")) await command.ExecuteNonQueryAsync();
        await _database.DisposeAsync();
    }

    private async Task WriteAsync(string kind)
    {
        await using var connection = await _database.OpenConnectionAsync();
        var bucket = Random.Shared.Next(256);
        var other = (bucket + 1 + Random.Shared.Next(255)) % 256;
        switch (kind)
        {
            case OneRow:
                await RunAsync(connection, Message(other));
                break;
            case TwoCommits:
                await RunAsync(connection, Record(bucket));
                await RunAsync(connection, Message(other));
                break;
            default:
                // All in one go: it is asked and answered once.
                await RunAsync(connection, new NpgsqlBatchCommand("BEGIN"), Record(bucket), Message(other), new NpgsqlBatchCommand("COMMIT"));
                break;
        }
    }

    private NpgsqlBatchCommand Record(int bucket) => Command(_record, bucket, Guid.NewGuid());

    private NpgsqlBatchCommand Message(int bucket) => Command(_message, bucket, Guid.NewGuid(), "@sender:example.org", "m.room.encrypted", s_content);

    private static NpgsqlBatchCommand Command(string sql, params object[] values)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        return command;
    }

    private static async Task RunAsync(NpgsqlConnection connection, params NpgsqlBatchCommand[] commands)
    {
        await using var batch = new NpgsqlBatch(connection);
        foreach (var command in commands) batch.BatchCommands.Add(command);
        await batch.PrepareAsync();
        await batch.ExecuteNonQueryAsync();
    }
}
