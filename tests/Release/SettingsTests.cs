using System.Text.RegularExpressions;
using System.Xml.Linq;
using YamlDotNet.RepresentationModel;

namespace Release;

/// <summary>What GitHub reads beside the workflows.</summary>
public class SettingsTests
{
    private static readonly YamlMappingNode[] s_updates =
        [.. ((YamlSequenceNode)Yaml.Read(Repository.PathOf(".github/dependabot.yml")).Children["updates"]).Children.Cast<YamlMappingNode>()];

    private static IEnumerable<string> Forms => Directory.GetFiles(Repository.PathOf(".github/ISSUE_TEMPLATE"), "*.yml")
        .Select(Path.GetFileName).Where(name => name != "config.yml").Cast<string>();

    [Test]
    public void Dependabot_looks_after_the_actions_and_after_both_kinds_of_packages()
    {
        Assert.That(Yaml.Read(Repository.PathOf(".github/dependabot.yml")).Text("version"), Is.EqualTo("2"));
        Assert.That(s_updates.Select(update => update.Text("package-ecosystem")), Is.EqualTo(new[] { "github-actions", "nuget", "npm" }));
        Assert.That(s_updates, Has.All.Matches<YamlMappingNode>(update => update.Map("schedule")?.Text("interval") == "weekly"));
    }

    [Test]
    public async Task Dependabot_looks_into_every_folder_with_npm_packages()
    {
        var files = await Shell.RunAsync("git ls-files --cached --others --exclude-standard '*package-lock.json'", Repository.Folder);
        var folders = files.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(file => $"/{Path.GetDirectoryName(file)}");

        Assert.That(Of("npm").List("directories"), Is.EquivalentTo(folders));
    }

    /// <summary>What was held back for a reason: the lowest versions that a host may have, and the compiler that a tool of the build is for.</summary>
    [Test]
    public void Dependabot_leaves_the_lower_bounds_of_the_packages_alone()
    {
        var central = XDocument.Load(Repository.PathOf("Directory.Packages.props")).Descendants("PackageVersion")
            .Where(package => (string)package.Attribute("Version")! == "10.0.0").Select(package => (string)package.Attribute("Include")!);
        var projects = Directory.GetFiles(Repository.PathOf("src"), "*.csproj", SearchOption.AllDirectories)
            .Concat(Directory.GetFiles(Repository.PathOf("build"), "*.csproj", SearchOption.AllDirectories));
        var own = projects.SelectMany(file => XDocument.Load(file).Descendants("PackageReference")
            .Where(package => package.Attribute("VersionOverride") is not null || file.Contains("PublicDocs", StringComparison.Ordinal))
            .Select(package => (string)package.Attribute("Include")!));
        var bounds = central.Concat(own).Distinct().ToList();
        var ignored = ((YamlSequenceNode)Of("nuget").Children["ignore"]).Children.Cast<YamlMappingNode>()
            .Where(package => !package.Children.ContainsKey("update-types")).Select(package => package.Text("dependency-name"));

        Assert.That(bounds, Is.Not.Empty);
        Assert.That(ignored, Is.EquivalentTo(bounds));
    }

    /// <summary>GitHub's rules for them, as far as they concern these.</summary>
    [TestCaseSource(nameof(Forms))]
    public void An_issue_form_is_one_that_GitHub_shows(string name)
    {
        var form = Yaml.Read(Repository.PathOf($".github/ISSUE_TEMPLATE/{name}"));
        var body = ((YamlSequenceNode)form.Children["body"]).Children.Cast<YamlMappingNode>().ToList();

        Assert.That(form.Children.Keys.Select(key => (string)key!), Is.SubsetOf(new[] { "name", "description", "title", "labels", "body" }));
        Assert.That(form.Text("name"), Is.Not.Empty);
        Assert.That(form.Text("description"), Is.Not.Empty);
        foreach (var part in body)
        {
            Assert.That(part.Text("type"), Is.AnyOf("markdown", "textarea", "input", "dropdown"));
            Assert.That(part.Map("attributes")!.Text(part.Text("type") == "markdown" ? "value" : "label"), Is.Not.Empty);
            if (part.Text("type") == "dropdown") Assert.That(part.Map("attributes")!.List("options"), Is.Unique.And.Not.Empty);
        }

        var ids = body.Select(part => part.Text("id")).OfType<string>().ToList();
        Assert.That(ids, Is.Unique.And.All.Match("^[a-zA-Z0-9_-]+$"));
        Assert.That(body.Select(part => part.Map("attributes")!.Text("label")).OfType<string>(), Is.Unique);
        Assert.That(body.Exists(part => part.Text("type") != "markdown"));
    }

    /// <summary>Files, settings and versions that the page names are there.</summary>
    [Test]
    public void The_page_on_releasing_names_what_there_is()
    {
        var page = File.ReadAllText(Repository.PathOf("docs/releasing.md"));
        var release = Workflow.Release;

        foreach (Match file in Regex.Matches(page, @"`(\.github/[\w./-]+|tests/\w+|Directory\.Build\.props|CHANGELOG\.md)"))
            Assert.That(Path.Exists(Repository.PathOf(file.Groups[1].Value)), file.Value);
        foreach (var job in release.Jobs) Assert.That(page, Does.Contain($"`{job.Id}`"));
        Assert.That(page, Does.Contain($"`{release.Jobs.Single(job => job.Id == "publish").Node.Map("environment")!.Text("name")}`"));
        Assert.That(page, Does.Contain("`NUGET_USER`"));
        foreach (var job in Workflow.All.Single(one => one.File == "ci.yml").Jobs)
            Assert.That(page, Does.Contain($"*{job.Node.Text("name")!.Split(", on ${{")[0]}*"));
    }

    private static YamlMappingNode Of(string ecosystem) => s_updates.Single(update => update.Text("package-ecosystem") == ecosystem);
}
