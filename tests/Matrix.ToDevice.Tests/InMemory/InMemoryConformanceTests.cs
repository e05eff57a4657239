namespace Matrix.ToDevice.Tests;

/// <summary>The in-memory store keeps every promise but those that need a disk or several hosts.</summary>
public class InMemoryConformanceTests
{
    private static readonly InMemoryTarget s_target = new();

    private static IEnumerable<ConformanceCase> Cases => ConformanceKit.CasesFor(s_target);

    [TestCaseSource(nameof(Cases))]
    public async Task The_in_memory_store_keeps_its_promises(ConformanceCase promise) => (await promise.RunAsync(s_target)).ThrowIfFailed();
}
