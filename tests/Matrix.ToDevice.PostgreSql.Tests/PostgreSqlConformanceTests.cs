namespace Matrix.ToDevice.Tests;

/// <summary>The PostgreSQL store keeps every promise, those of several hosts too.</summary>
public class PostgreSqlConformanceTests
{
    private static readonly PostgreSqlTarget s_target = new(() => TestCluster.ConnectionString);

    private static IEnumerable<ConformanceCase> Cases => ConformanceKit.CasesFor(s_target);

    [TestCaseSource(nameof(Cases))]
    public async Task The_PostgreSQL_store_keeps_its_promises(ConformanceCase promise) => (await promise.RunAsync(s_target)).ThrowIfFailed();
}
