using System.Text.RegularExpressions;
using Matrix.ToDevice.Adoption;

namespace Matrix.ToDevice.Tests;

/// <summary>What PACKAGE.md of the kit shows is compiled and run: here, and in the projects for xUnit and MSTest.</summary>
public partial class PackagePageTests
{
    private const string Tests = "Matrix.ToDevice.Conformance.Tests/Adoption";

    [Test]
    public async Task The_console_example_prints_the_table_and_succeeds()
    {
        var (before, output) = (Console.Out, new StringWriter());
        Console.SetOut(output);
        int exitCode;
        try
        {
            exitCode = await ConsoleExample.RunAsync();
        }
        finally
        {
            Console.SetOut(before);
        }

        Assert.That(exitCode, Is.Zero, output.ToString());
        var claimed = ConformanceKit.CasesFor(new MyStoreTarget()).Count();
        Assert.That(output.ToString(), Does.Contain($"MyStoreTarget: {claimed} passed, 0 failed, {ConformanceKit.Cases.Count - claimed} not claimed"));
    }

    [TestCase("package-target", Tests + "/MyStoreTarget.cs")]
    [TestCase("package-nunit", Tests + "/NUnitExample.cs")]
    [TestCase("package-console", Tests + "/ConsoleExample.cs")]
    [TestCase("package-xunit", "Matrix.ToDevice.Conformance.XUnit/XUnitExample.cs")]
    [TestCase("package-mstest", "Matrix.ToDevice.Conformance.MSTest/MSTestExample.cs")]
    public void The_page_shows_the_tested_source(string part, string file)
    {
        var source = File.ReadAllText(Path.Combine(Repository.Folder, "tests", file));
        var match = Regex.Match(source, $"// <{part}>\n(.*?)\n *// </{part}>", RegexOptions.Singleline);
        Assert.That(match.Success, part);

        var page = File.ReadAllText(Path.Combine(Repository.Folder, "src/Matrix.ToDevice.Conformance/PACKAGE.md"));
        Assert.That(Lines(page), Does.Contain($"```csharp\n{Lines(match.Groups[1].Value)}\n```"));
    }

    /// <summary>The lines without what they are indented by.</summary>
    private static string Lines(string text) => Indent().Replace(text.Trim(), "");

    [GeneratedRegex("(?m)^ +")]
    private static partial Regex Indent();
}
