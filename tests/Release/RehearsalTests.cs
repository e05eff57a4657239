using System.IO.Compression;
using System.Text.RegularExpressions;

namespace Release;

/// <summary>From a tag to the gallery.</summary>
[Category("Slow")]
public class RehearsalTests
{
    private static IEnumerable<string> Packages => Directory.GetFiles(Repository.PathOf("src"), "*.csproj", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 1 })
        .Select(file => Path.GetFileNameWithoutExtension(file)).Order();

    // Before the tests, whose time is bounded: on a busy machine it takes as long as it takes.
    [OneTimeSetUp]
    public Task PlayAsync() => Rehearsal.OnceAsync();

    [Test]
    public async Task Every_package_is_pushed_with_the_version_of_the_tag()
    {
        var rehearsal = await Rehearsal.OnceAsync();

        Assert.That(
            Directory.GetFiles(rehearsal.Gallery, "*.nupkg").Select(Path.GetFileName).Order(),
            Is.EqualTo(Packages.Select(package => $"{package}.{Rehearsal.Version}.nupkg")));
    }

    [Test]
    public async Task Every_package_is_attested_as_it_is_pushed()
    {
        var rehearsal = await Rehearsal.OnceAsync();
        var packed = Directory.GetFiles(Path.Combine(Rehearsal.Workspace, "release/packages"));

        Assert.That(rehearsal.Attested, Is.EquivalentTo(packed.Select(Path.GetFileName)));
        foreach (var pushed in Directory.GetFiles(rehearsal.Gallery, "*.nupkg"))
        {
            var before = Path.Combine(Rehearsal.Workspace, "release/packages", Path.GetFileName(pushed));
            Assert.That(await File.ReadAllBytesAsync(pushed), Is.EqualTo(await File.ReadAllBytesAsync(before)), pushed);
        }
    }

    [Test]
    public async Task The_release_has_the_changes_the_packages_and_the_API_reference()
    {
        var rehearsal = await Rehearsal.OnceAsync();
        var arguments = rehearsal.GitHubRelease.Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.That(arguments.Take(7), Is.EqualTo(new[]
        {
            "release", "create", $"v{Rehearsal.Version}", "--verify-tag", "--prerelease=true", "--title", Rehearsal.Version,
        }));
        Assert.That(arguments, Does.Contain("pages/api-reference.tar.gz"));
        Assert.That(
            arguments.Count(argument => argument.StartsWith("release/packages/Matrix.ToDevice", StringComparison.Ordinal)),
            Is.EqualTo(rehearsal.Attested.Count));

        var notes = await File.ReadAllTextAsync(Path.Combine(Rehearsal.Workspace, "release/notes.md"));
        Assert.That(notes, Does.StartWith("The rehearsal.\n").And.Not.Contain("\n## "));
    }

    [Test]
    public async Task The_API_reference_has_a_page_for_each_public_type()
    {
        var rehearsal = await Rehearsal.OnceAsync();
        var pages = await Shell.RunAsync("tar -tzf pages/api-reference.tar.gz", Rehearsal.WorkspaceOf("test"));

        var approved = Directory.GetFiles(Repository.PathOf("tests/Adoption/PublicApi"), "*.approved.txt").SelectMany(File.ReadLines);
        var types = approved.Select(line => Regex.Match(line, @"^    public .*?\b(?:class|struct|interface|enum) (\w+)(?= |$)"))
            .Where(match => match.Success).Select(match => match.Groups[1].Value).ToList();
        Assert.That(types, Has.Count.GreaterThan(50));
        // Hidden from everybody who looks for something: they are there for System.Text.Json.
        types.RemoveAll(type => type.EndsWith("Converter", StringComparison.Ordinal));
        Assert.That(types.Where(type => !pages.Contains($".{type}.html", StringComparison.Ordinal)), Is.Empty);
        Assert.That(pages, Does.Contain("api-reference/index.html"));
    }

    [Test]
    public async Task The_templates_reference_the_version_that_they_are_published_with()
    {
        var rehearsal = await Rehearsal.OnceAsync();
        await using var package = await ZipFile.OpenReadAsync(Path.Combine(rehearsal.Gallery, $"Matrix.ToDevice.Templates.{Rehearsal.Version}.nupkg"));

        foreach (var project in package.Entries.Where(entry => entry.FullName.EndsWith(".csproj", StringComparison.Ordinal)))
        {
            using var reader = new StreamReader(await project.OpenAsync());
            var text = await reader.ReadToEndAsync();
            Assert.That(text, Does.Contain($"Version=\"{Rehearsal.Version}\"").And.Not.Contain("{"), project.FullName);
        }
    }

    [TestCase("v0.1.2", "Directory.Build.props says 0.1.1-rehearsal.1")]
    [TestCase("0.1.1-rehearsal.1", "is not of the form")]
    [TestCase("v0.1", "is not of the form")]
    [TestCase("v0.1.1-rehearsal.1; true", "is not of the form")]
    public async Task A_tag_that_is_not_the_version_is_refused(string tag, string reason)
    {
        var rehearsal = await Rehearsal.OnceAsync();
        var check = Workflow.Release.Jobs[0].Steps.Single(step => step.Run?.Contains("release-version.sh", StringComparison.Ordinal) == true).Run!;

        var refused = Assert.ThrowsAsync<ScriptException>(
            () => Shell.RunAsync(check, Rehearsal.Workspace, new Dictionary<string, string> { ["GITHUB_REF_NAME"] = tag }));
        Assert.That(refused!.Output, Does.Contain(reason));
    }

    [Test]
    public async Task A_tag_that_was_moved_while_its_release_waited_publishes_nothing()
    {
        var rehearsal = await Rehearsal.OnceAsync();

        await rehearsal.AgainAsync("gh api");
        Assert.ThrowsAsync<ScriptException>(() => rehearsal.AgainAsync("gh api", commit: new string('1', 40)));
    }

    [Test]
    public async Task A_commit_that_was_not_merged_is_not_released()
    {
        var rehearsal = await Rehearsal.OnceAsync();
        var beside = Rehearsal.Folder("beside");
        await Shell.RunAsync(
            $"""
            git -c advice.detachedHead=false clone -q --depth 1 --branch v{Rehearsal.Version} file://{Rehearsal.Folder("origin")} .
            git -c user.name=tests -c user.email=tests@localhost commit -q --allow-empty -m "Not merged"
            """,
            beside);

        await rehearsal.AgainAsync("merge-base");
        Assert.ThrowsAsync<ScriptException>(() => rehearsal.AgainAsync("merge-base", beside));
    }

    [TestCase("## [1.0.0]\n- one\n", "1.0.0", "- one")]
    [TestCase("## 1.0.0 - 2026-01-01\n\n### Added\n- one\n\n## 0.9.0\n- two\n", "1.0.0", "### Added\n- one")]
    [TestCase("## 1.0.0\n- one\n\n## 0.9.0\n- two\n", "0.9.0", "- two")]
    [TestCase("## 1.0.0-rc.1\n- one\n", "1.0.0", null)]
    [TestCase("## 1x0.0\n- one\n", "1.0.0", null)]
    [TestCase("## 1.0.0\n\n## 0.9.0\n- two\n", "1.0.0", null)]
    public async Task Release_notes_are_the_section_of_the_version(string changes, string version, string? notes)
    {
        var folder = Rehearsal.Folder($"notes-{Guid.NewGuid()}");
        Directory.CreateDirectory(Path.Combine(folder, ".github"));
        File.Copy(Repository.PathOf(".github/release-notes.sh"), Path.Combine(folder, ".github/release-notes.sh"));
        await File.WriteAllTextAsync(Path.Combine(folder, "CHANGELOG.md"), $"# Changes\n\n## Unreleased\n- none\n\n{changes}");

        var script = $".github/release-notes.sh {version}";
        if (notes is null) Assert.ThrowsAsync<ScriptException>(() => Shell.RunAsync(script, folder));
        else Assert.That(await Shell.RunAsync(script, folder), Is.EqualTo(notes + "\n"));
    }
}
