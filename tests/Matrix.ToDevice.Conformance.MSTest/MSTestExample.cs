[assembly: Parallelize(Scope = ExecutionScope.MethodLevel)]

namespace Matrix.ToDevice.Adoption;

// <package-mstest>
[TestClass]
public class MyStoreTests
{
    public static IEnumerable<object[]> Promises => ConformanceKit.Cases.Select(promise => new object[] { promise.Name });

    [TestMethod, DynamicData(nameof(Promises))]
    public async Task My_store_keeps_its_promises(string promise)
    {
        var result = await ConformanceKit.Find(promise).RunAsync(new MyStoreTarget());
        if (result.Outcome == ConformanceOutcome.NotClaimed) Assert.Inconclusive(result.Reason);
        result.ThrowIfFailed();
    }
}
// </package-mstest>
