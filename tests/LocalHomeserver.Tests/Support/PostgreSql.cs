using Matrix.ToDevice.Tests;
using Npgsql;

namespace LocalHomeserver.Tests;

/// <summary>The database server of the test run, started when the first test asks for it.</summary>
[SetUpFixture]
internal sealed class PostgreSql
{
    public const string Setting = "--ConnectionStrings:PostgreSql";

    private static readonly Lazy<PostgreSqlCluster> s_cluster = new(PostgreSqlCluster.Start);
    private static int s_databases;

    /// <summary>The connection string of a new, empty database. Without a server on this machine, the test is ignored.</summary>
    public static string NewDatabase()
    {
        RequiredPostgreSql.Programs();
        var name = $"database{Interlocked.Increment(ref s_databases)}";
        s_cluster.Value.Execute($"CREATE DATABASE {name}");
        return $"{s_cluster.Value.ConnectionString};Database={name};Maximum Pool Size=20";
    }

    /// <summary>Says something to a database, past the homeserver.</summary>
    public static void Execute(string database, string sql) =>
        s_cluster.Value.Execute(sql, new NpgsqlConnectionStringBuilder(database).Database!);

    /// <summary>Asks a database something, past the homeserver.</summary>
    public static string Query(string database, string sql) =>
        $"{s_cluster.Value.Query(sql, new NpgsqlConnectionStringBuilder(database).Database!)}";

    /// <summary>Says something in a transaction that lasts until the connection is disposed.</summary>
    public static NpgsqlConnection Hold(string database, string sql)
    {
        var connection = new NpgsqlConnection($"{database};Pooling=false");
        connection.Open();
        connection.BeginTransaction();
        using var command = new NpgsqlCommand(sql, connection);
        command.ExecuteNonQuery();
        return connection;
    }

    /// <summary>Waits until a statement of a homeserver waits for a lock.</summary>
    public static async Task BlocksAsync(string database, string partOfStatement)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        await using var connection = new NpgsqlConnection($"{database};Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1", connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = $"%{partOfStatement}%" });
        while ((long)(await command.ExecuteScalarAsync())! == 0)
            Assert.That(limit.IsCancellationRequested, Is.False, $"{partOfStatement} does not wait.");
    }

    [OneTimeTearDown]
    public void Stop()
    {
        if (s_cluster.IsValueCreated) s_cluster.Value.Dispose();
    }
}
