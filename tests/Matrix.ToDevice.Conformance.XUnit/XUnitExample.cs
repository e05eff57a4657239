namespace Matrix.ToDevice.Adoption;

// <package-xunit>
public class MyStoreTests
{
    public static TheoryData<string> Promises => [.. ConformanceKit.Cases.Select(promise => promise.Name)];

    [Theory, MemberData(nameof(Promises))]
    public async Task My_store_keeps_its_promises(string promise)
    {
        var result = await ConformanceKit.Find(promise).RunAsync(new MyStoreTarget(), TestContext.Current.CancellationToken);
        Assert.SkipWhen(result.Outcome == ConformanceOutcome.NotClaimed, result.Reason);
        result.ThrowIfFailed();
    }
}
// </package-xunit>
