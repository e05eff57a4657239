namespace Matrix.ToDevice.Tests;

/// <summary>The SQLite store keeps every promise but those of several hosts, on real files.</summary>
public class SqliteConformanceTests
{
    private static readonly SqliteTarget s_target = new();

    private static IEnumerable<ConformanceCase> Cases => ConformanceKit.CasesFor(s_target);

    [TestCaseSource(nameof(Cases))]
    public async Task The_SQLite_store_keeps_its_promises(ConformanceCase promise) => (await promise.RunAsync(s_target)).ThrowIfFailed();
}
