using System.Text.RegularExpressions;

namespace Adoption;

/// <summary>docs/comparison.md says nothing about another server without saying where that is written.</summary>
internal sealed partial class ComparisonTests
{
    private const string Unknown = "not verified";

    private static readonly Page s_page = Page.Find("docs/comparison.md");

    [Test]
    public void Every_cell_about_another_server_has_its_source()
    {
        var rows = s_page.Text.Where(line => line.Text.StartsWith("| ", StringComparison.Ordinal))
            .Select(line => (line.Line, Cells: line.Text.Trim('|').Split('|', StringSplitOptions.TrimEntries))).ToList();
        var cells = rows.SelectMany(row => row.Cells.Skip(2).Select(cell => (row.Line, Cell: cell))).Where(cell => !IsHead(cell.Cell)).ToList();

        Assert.That(cells, Has.Count.GreaterThan(60));
        Assert.That(rows.Where(row => row.Cells.Length != 5).Select(row => $"line {row.Line}"), Is.Empty);
        Assert.That(cells.Where(cell => !Source().IsMatch(cell.Cell) && cell.Cell != Unknown).Select(cell => $"line {cell.Line}: {cell.Cell}"), Is.Empty);
    }

    [Test]
    public void Every_source_is_a_line_of_a_commit()
    {
        var sources = s_page.Text.Select(line => Definition().Match(line.Text)).Where(match => match.Success).ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Value);
        var named = s_page.Text.Where(line => !Definition().IsMatch(line.Text)).SelectMany(line => Source().Matches(line.Text)).Select(match => match.Groups[1].Value).ToList();

        Assert.That(named.Except(sources.Keys).Concat(sources.Keys.Except(named)), Is.Empty);
        Assert.That(sources.Values.Where(link => !Pinned().IsMatch(link)), Is.Empty);
    }

    private static bool IsHead(string cell) => cell is "Synapse" or "Dendrite" or "tuwunel";

    [GeneratedRegex(@"\[((?:sy|de|tu)[0-9]+)\]")]
    private static partial Regex Source();

    [GeneratedRegex(@"^\[((?:sy|de|tu)[0-9]+)\]: (\S+)$")]
    private static partial Regex Definition();

    [GeneratedRegex("^https://github[.]com/[^/]+/[^/]+/blob/[0-9a-f]{40}/[^#]+#L[0-9]+(-L[0-9]+)?$")]
    private static partial Regex Pinned();
}
