namespace Matrix.ToDevice.Tests;

/// <summary>What tests do that need PostgreSQL's server programs.</summary>
internal static class RequiredPostgreSql
{
    /// <summary>Without them, the test is ignored on a laptop and fails where nothing may be skipped.</summary>
    public static void Programs()
    {
        if (PostgreSqlCluster.Programs is null) Miss("There is no PostgreSQL server on this machine (Debian: the package postgresql).");
    }

    /// <inheritdoc cref="Programs"/>
    public static void Miss(string message)
    {
        if (Environment.GetEnvironmentVariable("CI") == "true") Assert.Fail(message);
        else Assert.Ignore(message);
    }
}
