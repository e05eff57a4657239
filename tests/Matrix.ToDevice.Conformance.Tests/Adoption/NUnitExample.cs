namespace Matrix.ToDevice.Adoption;

// <package-nunit>
public class MyStoreTests
{
    [TestCaseSource(typeof(ConformanceKit), nameof(ConformanceKit.Cases))]
    public async Task My_store_keeps_its_promises(ConformanceCase promise)
    {
        var result = await promise.RunAsync(new MyStoreTarget());
        if (result.Outcome == ConformanceOutcome.NotClaimed) Assert.Ignore(result.Reason);
        result.ThrowIfFailed();
    }
}
// </package-nunit>
