namespace Matrix.ToDevice.Tests;

/// <summary>The database servers of the test run: each is started when the first test needs it.</summary>
[SetUpFixture]
public class TestServers
{
    private static readonly Lazy<PostgreSqlCluster> s_postgreSql = new(() =>
    {
        if (PostgreSqlCluster.Programs is null) Miss("There is no PostgreSQL server on this machine (Debian: the package postgresql).");
        return PostgreSqlCluster.Start();
    });

    private static readonly Lazy<MariaDbServer> s_mariaDb = new(() =>
    {
        if (MariaDbServer.Programs is null) Miss("There is no MariaDB server on this machine (Debian: the packages mariadb-server-core and mariadb-client-core).");
        return MariaDbServer.Start();
    });

    internal static PostgreSqlCluster PostgreSql => s_postgreSql.Value;

    internal static MariaDbServer MariaDb => s_mariaDb.Value;

    [OneTimeTearDown]
    public void Stop()
    {
        if (s_postgreSql.IsValueCreated) s_postgreSql.Value.Dispose();
        if (s_mariaDb.IsValueCreated) s_mariaDb.Value.Dispose();
        SqliteDatabases.DeleteAll();
    }

    /// <summary>Ignored on a laptop, and failed where nothing may be skipped.</summary>
    private static void Miss(string message)
    {
        if (Environment.GetEnvironmentVariable("CI") == "true") Assert.Fail(message);
        else Assert.Ignore(message);
    }
}
