using Matrix.ToDevice.Tests;

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
        const string Missing = "There is no PostgreSQL server on this machine (Debian: the package postgresql).";
        if (PostgreSqlCluster.Programs is null && Environment.GetEnvironmentVariable("CI") == "true") Assert.Fail(Missing);
        if (PostgreSqlCluster.Programs is null) Assert.Ignore(Missing);

        var name = $"database{Interlocked.Increment(ref s_databases)}";
        s_cluster.Value.Execute($"CREATE DATABASE {name}");
        return $"{s_cluster.Value.ConnectionString};Database={name};Maximum Pool Size=20";
    }

    /// <summary>Says something to a database, past the homeserver.</summary>
    public static void Execute(string database, string sql) =>
        s_cluster.Value.Execute(sql, new Npgsql.NpgsqlConnectionStringBuilder(database).Database!);

    [OneTimeTearDown]
    public void Stop()
    {
        if (s_cluster.IsValueCreated) s_cluster.Value.Dispose();
    }
}
