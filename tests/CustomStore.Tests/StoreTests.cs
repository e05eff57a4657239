using Matrix.ToDevice;

namespace CustomStore.Tests;

/// <summary>What an author of a store writes: the kit, on that store. Cases share nothing, so they may run side by side.</summary>
[Category("Slow")]
[Parallelizable(ParallelScope.All)]
public class StoreTests
{
    // All that every store has to pass, and more. What operators ask of a store is optional: see IStoreUpkeep.
    private static IEnumerable<ConformanceCase> Promises => ConformanceKit.CasesFor(new CustomStoreTarget(TestFolder.Path));

    [TestCaseSource(nameof(Promises))]
    public async Task The_store_keeps_its_promises(ConformanceCase promise)
    {
        var result = await promise.RunAsync(new CustomStoreTarget(TestFolder.Path));
        Assert.That(result.Outcome, Is.EqualTo(ConformanceOutcome.Passed), result.Reason);
    }
}
