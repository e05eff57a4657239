using System.Text.RegularExpressions;

namespace Adoption;

/// <summary>docs/architecture.md names what there is.</summary>
internal sealed partial class ArchitectureTests
{
    private const string Module = "src/Matrix.ToDevice";

    private static readonly string s_page = File.ReadAllText(Path.Combine(Page.Repository, "docs/architecture.md"));

    [Test]
    public void Every_file_that_a_picture_names_is_there()
    {
        var pictures = Page.Find("docs/architecture.md").Blocks.Where(block => block.Language == "mermaid").ToList();
        Assert.That(pictures, Has.Count.EqualTo(4));
        foreach (var picture in pictures)
        {
            var files = picture.Lines.SelectMany(line => SourceFile().Matches(line)).Select(match => match.Value).ToList();
            Assert.That(files, Has.Count.GreaterThan(4), $"the picture in line {picture.Line}");
            Assert.That(files.Where(file => !Exists(file)), Is.Empty);
        }
    }

    [Test]
    public void Every_file_that_the_text_names_is_there() =>
        Assert.That(SourceFile().Matches(s_page).Select(match => match.Value).Where(file => !Exists(file)), Is.Empty);

    [Test]
    public void Every_room_is_named_and_every_name_is_a_room()
    {
        var named = Room().Matches(s_page).Select(match => match.Groups[1].Value).ToList();
        var rooms = Directory.GetDirectories(Path.Combine(Page.Repository, Module)).Select(folder => $"{Module}/{Path.GetFileName(folder)}")
            .Where(folder => Page.FilesOf(Path.Combine(Page.Repository, folder), "*.cs").Any() && !folder.EndsWith("/obj", StringComparison.Ordinal));

        Assert.That(named.Where(room => !Directory.Exists(Path.Combine(Page.Repository, room))), Is.Empty);
        Assert.That(rooms.Except(named), Is.Empty);
    }

    // Below the module; below src where the name says in which package; a link is from the root.
    private static bool Exists(string file) => new[] { Module, "src", "" }.Any(folder => File.Exists(Path.Combine(Page.Repository, folder, file)));

    [GeneratedRegex(@"\b[\w.]+/[\w./]+\.cs\b")]
    private static partial Regex SourceFile();

    [GeneratedRegex(@"(?m)^\| \[`[^`]+`\]\(\.\./([^)]+)\) \|")]
    private static partial Regex Room();
}
