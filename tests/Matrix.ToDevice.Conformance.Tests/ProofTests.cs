namespace Matrix.ToDevice.Tests;

/// <summary>The kit finds what it is there to find: for each case there is a store that breaks just that.</summary>
public class ProofTests
{
    private static readonly ConformanceCase[] s_cases = [.. ConformanceKit.Cases];

    private static IEnumerable<Fault> AllFaults => Faults.All.Keys;

    [TestCaseSource(nameof(s_cases))]
    public async Task The_reference_store_passes(ConformanceCase one)
    {
        var result = await one.RunAsync(new ReferenceTarget());

        Assert.That(result.Outcome, Is.EqualTo(ConformanceOutcome.Passed), result.Reason);
    }

    [TestCaseSource(nameof(AllFaults))]
    public async Task A_broken_store_is_caught_by_its_case(Fault fault)
    {
        var result = await ConformanceKit.Find(Faults.All[fault]).RunAsync(new ReferenceTarget(fault));

        TestContext.Out.WriteLine(result.Reason);
        Assert.That(result.Outcome, Is.EqualTo(ConformanceOutcome.Failed));
        Assert.That(result.Reason, Does.Not.Contain("The case ended with"), "the case has seen it, and has not just fallen over");
        Assert.That(result.ThrowIfFailed, Throws.TypeOf<ConformanceException>().With.Message.Contains(result.Reason));
    }

    [TestCaseSource(nameof(s_cases))]
    public void Every_case_has_a_store_that_it_catches(ConformanceCase one) => Assert.That(Faults.All.Values, Does.Contain(one.Name));
}
