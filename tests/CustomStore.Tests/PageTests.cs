using System.Text.RegularExpressions;
using Matrix.ToDevice;
using Matrix.ToDevice.Tests;

namespace CustomStore.Tests;

/// <summary>docs/writing-a-store.md names what there is.</summary>
public partial class PageTests
{
    private const string BrokenStores = "tests/Matrix.ToDevice.Conformance.Tests/Stores/Fault.cs";

    private static readonly string s_page = Read("docs/writing-a-store.md");

    [Test]
    public void Promises_and_cases_have_the_names_that_the_page_gives_them()
    {
        var known = ConformanceKit.Cases.SelectMany(one => (string[])[one.Name, one.Promise]).ToHashSet();
        var named = PromiseOrCase().Matches(s_page).Select(match => match.Groups[1].Value).ToList();
        Assert.That(named, Is.Not.Empty);
        Assert.That(named.Where(name => !known.Contains(name)), Is.Empty);
        Assert.That(known.Where(name => ConformanceKit.Cases.Any(one => one.Promise == name) && !named.Contains(name)), Is.Empty, "promises that the page leaves out");
    }

    [Test]
    public void Every_common_mistake_is_a_broken_store_that_its_case_catches()
    {
        var faults = Fault().Matches(Read(BrokenStores)).ToLookup(match => match.Groups[2].Value, match => match.Groups[1].Value);
        var rows = MistakeRow().Matches(s_page);
        Assert.That(rows, Has.Count.GreaterThan(20));
        foreach (Match row in rows) Assert.That(faults[row.Groups[1].Value], Does.Contain(row.Groups[2].Value), row.Value);
    }

    private static string Read(string file) => File.ReadAllText(Path.Combine(Repository.Folder, file));

    [GeneratedRegex("`([A-Z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+)`")]
    private static partial Regex PromiseOrCase();

    [GeneratedRegex("""\[CaughtBy\("(\w+)"\)\] (\w+),""")]
    private static partial Regex Fault();

    [GeneratedRegex(@"(?m)^\|.*\| `(\w+)` \| `(\w+)` \|$")]
    private static partial Regex MistakeRow();
}
