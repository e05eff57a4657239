using System.Text.RegularExpressions;

namespace Matrix.ToDevice.Tests;

/// <summary>Every promise has a case, every case has a promise, and none comes or goes unnoticed.</summary>
public partial class PromiseTests
{
    private const string ApprovedFile = "tests/Matrix.ToDevice.Conformance.Tests/cases.approved.txt";

    [Test]
    public void The_cases_prove_the_promises_that_the_seams_name_and_no_others()
    {
        var named = Directory.GetFiles(Path.Combine(Repository.Folder, "src/Matrix.ToDevice.Abstractions"), "*.cs")
            .SelectMany(file => Term().Matches(File.ReadAllText(file)))
            .Select(match => match.Groups[1].Value);

        Assert.That(ConformanceKit.Cases.Select(one => one.Promise).Distinct(), Is.EquivalentTo(named.Distinct()));
    }

    /// <summary>A case that is added or taken away changes this file, so that whoever reads the change sees it.</summary>
    [Test]
    public void The_cases_are_the_approved_ones()
    {
        var cases = string.Concat(ConformanceKit.Cases.GroupBy(one => one.Promise).Select(promise =>
            $"{promise.Key}\n{string.Concat(promise.Select(one => $"  {one.Name}{Needs(one)}\n"))}"));

        Assert.That(
            cases, Is.EqualTo(File.ReadAllText(Path.Combine(Repository.Folder, ApprovedFile))),
            $"If that is meant, {ApprovedFile} has to become:\n{cases}");

        static string Needs(ConformanceCase one) => one.Requires == StoreClaims.None ? "" : $" ({one.Requires})";
    }

    [Test]
    public void Names_are_unique_and_find_their_case()
    {
        Assert.That(ConformanceKit.Cases.Select(one => one.Name), Is.Unique);
        Assert.That(ConformanceKit.Cases.Select(one => ConformanceKit.Find(one.Name)), Is.EqualTo(ConformanceKit.Cases));
        Assert.That(ConformanceKit.Cases.Select(one => one.ToString()), Is.EqualTo(ConformanceKit.Cases.Select(one => one.Name)));
        Assert.That(() => ConformanceKit.Find("No_such_case"), Throws.ArgumentException.With.Message.Contains("No_such_case"));
    }

    [GeneratedRegex("<term>([A-Z][a-z0-9]*(?:_[A-Za-z0-9]+)+)</term>")]
    private static partial Regex Term();
}
