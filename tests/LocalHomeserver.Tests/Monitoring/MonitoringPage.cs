using System.Text.RegularExpressions;

namespace LocalHomeserver.Tests;

/// <summary>What docs/monitoring.md says of the metrics: a row for each, with its name in Prometheus, its labels and their values.</summary>
internal static partial class MonitoringPage
{
    // Each type of the specification is a value; the page says so in words.
    private const string EventTypes = "`event_type`";

    private static readonly string s_page = File.ReadAllText(Path.Combine(OpsFiles.Repository, "docs", "monitoring.md"));

    public static IReadOnlyList<string> Metrics { get; } = [.. Row().Matches(s_page).Select(row => row.Groups[1].Value)];

    public static IReadOnlySet<string> Labels { get; } = Row().Matches(s_page).SelectMany(row => LabelsIn(row.Groups[2].Value)).ToHashSet();

    public static IReadOnlySet<string> Anchors { get; } = Heading().Matches(s_page)
        .Select(heading => heading.Groups[1].Value.Trim().ToLowerInvariant().Replace(' ', '-')).ToHashSet();

    private static IEnumerable<string> LabelsIn(string cell)
    {
        if (cell.Contains(EventTypes, StringComparison.Ordinal))
        {
            yield return "event_type=\"_OTHER\"";
            yield return "event_type=\"m.room.encrypted\"";
            yield return "event_type=\"m.dummy\"";
        }

        foreach (Match label in Label().Matches(cell))
        {
            foreach (Match value in Code().Matches(label.Groups[2].Value)) yield return $"{label.Groups[1].Value}=\"{value.Groups[1].Value}\"";
        }
    }

    // | `matrix.to_device.…` | `matrix_to_device_…` | `outcome`: `one`, `other` | what it is | what to do |
    [GeneratedRegex(@"(?m)^\| `matrix\.[\w.]+` [^|]*\| `(matrix_to_device_\w+)` \|([^|]*)\|")]
    private static partial Regex Row();

    [GeneratedRegex("`(\\w+)`: ((?:`[^`]+`(?:, )?)+)")]
    private static partial Regex Label();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();

    [GeneratedRegex("(?m)^#+ (.+)$")]
    private static partial Regex Heading();
}
