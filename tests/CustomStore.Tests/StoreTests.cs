using Matrix.ToDevice;

namespace CustomStore.Tests;

/// <summary>What an author of a store writes: the kit, on that store. Cases share nothing, so they may run side by side.</summary>
[Category("Slow")]
[Parallelizable(ParallelScope.All)]
public class StoreTests
{
    [TestCaseSource(typeof(ConformanceKit), nameof(ConformanceKit.Cases))]
    public async Task The_store_keeps_its_promises(ConformanceCase promise)
    {
        var result = await promise.RunAsync(new CustomStoreTarget(TestFolder.Path));
        Assert.That(result.Outcome, Is.EqualTo(ConformanceOutcome.Passed), result.Reason);
    }
}
