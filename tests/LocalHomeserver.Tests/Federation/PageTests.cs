using System.Reflection;
using System.Text.RegularExpressions;
using Matrix.ToDevice;

namespace LocalHomeserver.Tests;

/// <summary>docs/federation.md shows code that is compiled and run, and names what there is.</summary>
internal sealed partial class PageTests
{
    private static readonly string s_repository = typeof(PageTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(metadata => metadata.Key == "Repository").Value!;

    private static readonly string s_page = Read("docs/federation.md");

    [Test]
    public void The_page_shows_all_marked_parts_and_no_other_code()
    {
        var sources = Directory.GetFiles(Path.Combine(s_repository, "samples/LocalHomeserver"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal))
            .Append(Path.Combine(s_repository, "tests/LocalHomeserver.Tests/Federation/OwnQueueTests.cs"));
        var parts = sources.SelectMany(file => MarkedPart().Matches(File.ReadAllText(file)).Select(match => Lines(match.Groups[2].Value))).ToList();
        Assert.That(parts, Has.Count.EqualTo(6));
        Assert.That(CodeBlock().Matches(s_page).Select(match => Lines(match.Groups[1].Value)), Is.EquivalentTo(parts));
    }

    [Test]
    public void The_times_of_the_page_are_the_defaults()
    {
        var sending = new FederationSenderOptions();
        string[] said =
        [
            $"`{nameof(sending.MinPause)}` ({sending.MinPause.TotalSeconds} s)",
            $"`{nameof(sending.MaxPause)}` ({sending.MaxPause.TotalMinutes} min)",
            $"`{nameof(sending.LeaseDuration)}` ({sending.LeaseDuration.TotalSeconds} s)",
            $"`{nameof(SendToDeviceOptions.InboundRetention)}` ({new SendToDeviceOptions().InboundRetention.TotalDays} days",
        ];
        foreach (var time in said) Assert.That(s_page, Does.Contain(time));
        Assert.That(sending.Expiry, Is.Null);
    }

    [Test]
    public void The_pages_links_lead_somewhere()
    {
        foreach (Match link in Link().Matches(s_page))
            Assert.That(Path.Exists(Path.Combine(s_repository, "docs", link.Groups[1].Value)), link.Value);
    }

    private static string Read(string file) => File.ReadAllText(Path.Combine(s_repository, file));

    /// <summary>The lines without what they are indented by.</summary>
    private static string Lines(string text) => Indent().Replace(text.Trim(), "");

    [GeneratedRegex("(?m)^ +")]
    private static partial Regex Indent();

    [GeneratedRegex("(?s)```csharp\n(.*?)\n```")]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"(?s)// <([\w-]+)>\n(.*?)\n *// </\1>")]
    private static partial Regex MarkedPart();

    [GeneratedRegex(@"\]\((?!https?:|#)([^)#]+)")]
    private static partial Regex Link();
}
