using System.Text.RegularExpressions;

namespace Adoption;

/// <summary>The C# that pages show is compiled and run somewhere, as it stands there.</summary>
internal sealed partial class CodeBlockTests
{
    // Applications that the package tests build and run, with the blocks of a package's page in the place of such lines.
    private const string PackageApps = "tests/Matrix.ToDevice.PackageTests/Apps";

    private static IEnumerable<Page> Pages => Page.All.Where(page => Shown().IsMatch(page.Path));

    [TestCaseSource(nameof(Pages))]
    public void Every_block_stands_in_a_tested_source(Page page)
    {
        var blocks = page.Blocks.Where(block => block.IsCSharp).ToList();
        var missing = blocks.Where((block, n) => !TestedSources.Contain(block.Lines) && !IsPutIntoAnApp(page, n + 1));

        Assert.That(missing.Select(block => $"{page.Path}:{block.Line}: {block.Lines[0].Trim()}"), Is.Empty);
    }

    [Test]
    public void Every_part_that_is_marked_for_a_page_is_shown_by_one()
    {
        var shown = Pages.SelectMany(page => page.Blocks).Where(block => block.IsCSharp).Select(block => TestedSources.Normalize(block.Lines)).ToHashSet();

        Assert.That(TestedSources.Parts.ToList(), Is.Not.Empty);
        Assert.That(TestedSources.Parts.Where(part => !shown.Contains(part.Lines)).Select(part => $"{part.File}: {part.Name}"), Is.Empty);
    }

    private static bool IsPutIntoAnApp(Page page, int number)
    {
        var folder = Path.Combine(Page.Repository, PackageApps);
        if (PackagePage().Match(page.Path) is not { Success: true } package || !Directory.Exists(folder)) return false;
        return Page.FilesOf(folder, "*.cs").SelectMany(file => File.ReadLines(Path.Combine(Page.Repository, file)))
            .Any(line => line.Trim() == $"// {package.Groups[1].Value} block {number}");
    }

    [GeneratedRegex("^(README|docs/.+|src/.+/PACKAGE)[.]md$")]
    private static partial Regex Shown();

    [GeneratedRegex("^src/([^/]+)/PACKAGE[.]md$")]
    private static partial Regex PackagePage();
}
