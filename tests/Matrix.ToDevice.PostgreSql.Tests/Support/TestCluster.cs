namespace Matrix.ToDevice.Tests;

/// <summary>The server of the test run; each test gets a schema or a database of its own.</summary>
[SetUpFixture]
public class TestCluster
{
    private static PostgreSqlCluster? s_cluster;
    private static int s_databases, s_schemas;

    internal static PostgreSqlCluster Cluster => s_cluster!;

    internal static string ConnectionString => $"{Cluster.ConnectionString};Maximum Pool Size=20";

    /// <summary>The name of a schema where nothing is yet.</summary>
    internal static string NewSchema() => $"test {Interlocked.Increment(ref s_schemas)}";

    /// <summary>The connection string of a new, empty database.</summary>
    internal static string NewDatabase()
    {
        var name = $"database{Interlocked.Increment(ref s_databases)}";
        Cluster.Execute($"CREATE DATABASE {name}");
        return $"{ConnectionString};Database={name}";
    }

    [OneTimeSetUp]
    public void Start()
    {
        RequiredPostgreSql.Programs();
        s_cluster = PostgreSqlCluster.Start();
    }

    [OneTimeTearDown]
    public void Stop() => s_cluster?.Dispose();
}
