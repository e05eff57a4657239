namespace Matrix.ToDevice.Tests;

/// <summary>A package tells what is new in it, in the words of CHANGELOG.md.</summary>
internal sealed class ReleaseNotesTests
{
    private const string Changes = """
        # Changes

        ## Unreleased

        ### Added
        - What nobody has yet.

        ## 1.2.10 - 2026-03-04

        - Of 1.2.10.

        ## [1.2.1] - 2026-01-02

        ### Changed
        - Of 1.2.1; 100 % of it, $(Not) @(a) `property`.

        ## 1.2.0
        - Of 1.2.0.

        """;

    [TestCase("1.2.1", "### Changed\n- Of 1.2.1; 100 % of it, $(Not) @(a) `property`.")]
    [TestCase("1.2.10", "- Of 1.2.10.")]
    [TestCase("1.2.0", "- Of 1.2.0.")]
    [TestCase("1.2", "### Added\n- What nobody has yet.")]
    [TestCase("1.3.0-preview.1", "### Added\n- What nobody has yet.")]
    public async Task The_notes_are_the_section_of_the_version_or_of_the_next_one(string version, string notes)
    {
        var folder = Packed.NewFolder($"notes {version}");
        Directory.CreateDirectory(Path.Combine(folder, "src"));
        File.Copy(Path.Combine(Repository.Folder, "src/Directory.Build.targets"), Path.Combine(folder, "src/Directory.Build.targets"));
        File.WriteAllText(Path.Combine(folder, "CHANGELOG.md"), Changes);
        File.WriteAllText(Path.Combine(folder, "src/Notes.proj"), """<Project><Import Project="Directory.Build.targets" /></Project>""");

        var said = await CommandLine.RunAsync(CommandLine.Of(
            folder, "dotnet", "msbuild", "src/Notes.proj", "-t:ReadReleaseNotes", $"-p:Version={version}", "-getProperty:PackageReleaseNotes"));

        Assert.That(said.ReplaceLineEndings("\n").Trim(), Is.EqualTo(notes));
    }

    [Test]
    public void Every_package_has_them()
    {
        var changes = File.ReadAllText(Path.Combine(Repository.Folder, "CHANGELOG.md"));
        foreach (var package in Packed.Packages)
        {
            Assert.That(package["releaseNotes"], Has.Length.InRange(20, 35_000), package.Id);
            Assert.That(changes, Does.Contain(package["releaseNotes"]), package.Id);
        }
    }
}
