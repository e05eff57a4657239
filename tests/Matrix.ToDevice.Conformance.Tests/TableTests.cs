using System.Text;

namespace Matrix.ToDevice.Tests;

/// <summary>Prints what every case says about every store.</summary>
[Category("Slow")]
public class TableTests
{
    private static readonly StoreTarget[] s_stores = [new ReferenceTarget(), new InMemoryTarget(), new SqliteTarget()];
    private static readonly int[] s_parts = [0, 1, 2, 3];

    [Test]
    public async Task The_stores_of_the_house_pass_all_that_they_claim()
    {
        var reports = new List<ConformanceReport>();
        foreach (var store in s_stores) reports.Add(await ConformanceKit.RunAsync(store));

        var table = new StringBuilder($"{"case",-85}{string.Concat(s_stores.Select(store => $"{store.Name,-13}"))}\n");
        for (var n = 0; n < ConformanceKit.Cases.Count; n++)
            table.Append($"{ConformanceKit.Cases[n],-85}{string.Concat(reports.Select(report => $"{Show(report.Results[n].Outcome),-13}"))}\n");
        TestContext.Out.WriteLine(table);
        foreach (var report in reports) Assert.That(report.Succeeded, report.ToString());
        Assert.That(reports[0].Count(ConformanceOutcome.NotClaimed), Is.Zero, "the reference store can do everything");
    }

    /// <summary>Each fault's own case, and which others see it too. In parts: together they take longer than a test may on a busy machine.</summary>
    [TestCaseSource(nameof(s_parts))]
    public async Task Every_fault_is_caught(int part)
    {
        var faults = Faults.All.Where((_, n) => n % s_parts.Length == part).ToDictionary();
        var caught = new Dictionary<Fault, List<string>>();
        await Parallel.ForEachAsync(faults.Keys, async (fault, _) =>
        {
            var report = await ConformanceKit.RunAsync(new ReferenceTarget(fault), CancellationToken.None);
            lock (caught)
                caught[fault] = [.. report.Results.Where(result => result.Outcome == ConformanceOutcome.Failed).Select(result => result.Case.Name)];
        });

        foreach (var one in ConformanceKit.Cases)
        {
            TestContext.Out.WriteLine(one);
            TestContext.Out.WriteLine($"  catches:      {Join(fault => faults[fault] == one.Name && caught[fault].Contains(one.Name))}");
            TestContext.Out.WriteLine($"  catches too:  {Join(fault => faults[fault] != one.Name && caught[fault].Contains(one.Name))}");
        }

        Assert.That(faults.Where(fault => !caught[fault.Key].Contains(fault.Value)).Select(fault => fault.Key), Is.Empty);

        string Join(Func<Fault, bool> which) => string.Join(", ", caught.Keys.Where(which).Order());
    }

    private static string Show(ConformanceOutcome outcome) => outcome switch
    {
        ConformanceOutcome.Passed => "passed",
        ConformanceOutcome.Failed => "FAILED",
        _ => "not claimed",
    };
}
