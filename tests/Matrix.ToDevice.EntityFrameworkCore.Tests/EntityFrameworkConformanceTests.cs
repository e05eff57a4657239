namespace Matrix.ToDevice.Tests;

/// <summary>The store keeps every promise on each of the databases, those of several hosts too.</summary>
[TestFixture(typeof(SqliteDatabases))]
[TestFixture(typeof(PostgreSqlDatabases))]
[TestFixture(typeof(MariaDbDatabases))]
public class EntityFrameworkConformanceTests<TDatabases>
    where TDatabases : ITestDatabase, new()
{
    private static readonly EntityFrameworkTarget s_target = new(new TDatabases());

    private static IEnumerable<ConformanceCase> Cases => ConformanceKit.CasesFor(s_target);

    [TestCaseSource(nameof(Cases))]
    public async Task The_Entity_Framework_store_keeps_its_promises(ConformanceCase promise) => (await promise.RunAsync(s_target)).ThrowIfFailed();
}
