using System.Text.RegularExpressions;

namespace Adoption;

/// <summary>Links of all pages: files, folders, pictures and headings are there. Other sites are not asked.</summary>
internal sealed partial class LinkTests
{
    [TestCaseSource(typeof(Page), nameof(Page.All))]
    public void Every_link_leads_somewhere(Page page)
    {
        var dead = page.Text.SelectMany(line => Target().Matches(CodeSpan().Replace(line.Text, ""))
            .Select(match => (line.Line, Target: Title().Replace(match.Groups[1].Value, "")))).Where(link => !Leads(page, link.Target));

        Assert.That(dead.Select(link => $"{page.Path}:{link.Line}: {link.Target}"), Is.Empty);
    }

    [Test]
    public void The_index_names_every_page_of_its_folder()
    {
        var named = Page.Find("docs/README.md").Text.SelectMany(line => Target().Matches(line.Text)).Select(match => $"docs/{match.Groups[1].Value}");
        var pages = Page.All.Select(page => page.Path).Where(path => InDocs().IsMatch(path) && path != "docs/README.md");

        Assert.That(pages.Except(named), Is.Empty);
    }

    private static bool Leads(Page page, string target)
    {
        if (target.Contains(':')) return Uri.TryCreate(target, UriKind.Absolute, out var uri) && uri.Scheme == Uri.UriSchemeHttps && uri.Host.Contains('.');

        var (path, anchor) = target.IndexOf('#') is >= 0 and var at ? (target[..at], target[(at + 1)..]) : (target, null);
        if (path.Length > 0)
        {
            var full = Path.GetFullPath(Path.Combine(Page.Repository, Path.GetDirectoryName(page.Path)!, path));
            path = Path.GetRelativePath(Page.Repository, full).Replace('\\', '/');
            if (path.StartsWith("..", StringComparison.Ordinal) || !Path.Exists(full)) return false;
        }

        return anchor is null || (path.Length == 0 ? page : Page.All.FirstOrDefault(other => other.Path == path))?.Anchors.Contains(anchor) == true;
    }

    [GeneratedRegex(@"\]\(([^)]*)\)")]
    private static partial Regex Target();

    [GeneratedRegex("`[^`]*`")]
    private static partial Regex CodeSpan();

    [GeneratedRegex(""" +".*"$""")]
    private static partial Regex Title();

    [GeneratedRegex("^docs/[^/]+[.]md$")]
    private static partial Regex InDocs();
}
