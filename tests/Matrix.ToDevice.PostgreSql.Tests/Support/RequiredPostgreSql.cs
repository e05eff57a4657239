namespace Matrix.ToDevice.Tests;

/// <summary>What tests do that need PostgreSQL's server programs.</summary>
internal static class RequiredPostgreSql
{
    /// <summary>Without them, the test is ignored on a laptop and fails where nothing may be skipped.</summary>
    public static void Programs()
    {
        const string Missing = "There is no PostgreSQL server on this machine (Debian: the package postgresql).";
        if (PostgreSqlCluster.Programs is not null) return;
        if (Environment.GetEnvironmentVariable("CI") == "true") Assert.Fail(Missing);
        else Assert.Ignore(Missing);
    }
}
