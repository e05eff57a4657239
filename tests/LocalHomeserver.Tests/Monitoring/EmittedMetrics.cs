using System.Text.RegularExpressions;

namespace LocalHomeserver.Tests;

/// <summary>The module's metrics in a text that a server shows to Prometheus.</summary>
internal sealed partial class EmittedMetrics(string exposition)
{
    /// <summary>The metrics, by the names that the text says their types of.</summary>
    public IReadOnlySet<string> Names { get; } = Type().Matches(exposition).Select(type => type.Groups[1].Value).ToHashSet();

    /// <summary>The names of the series: a histogram has three.</summary>
    public IReadOnlySet<string> SeriesNames { get; } = Series().Matches(exposition).Select(series => series.Groups[1].Value).ToHashSet();

    /// <summary>Labels with their values, as <c>outcome="committed"</c>; without those that say of which meter it is, and bounds.</summary>
    public IReadOnlySet<string> Labels { get; } = Series().Matches(exposition).SelectMany(series => LabelsIn(series.Groups[2].Value)).ToHashSet();

    public static IEnumerable<string> LabelsIn(string text) => Label().Matches(text).Select(label => label.Value)
        .Where(label => !label.StartsWith("otel_", StringComparison.Ordinal) && !label.StartsWith("le=", StringComparison.Ordinal));

    [GeneratedRegex(@"(?m)^# TYPE (matrix_to_device_\w+) ")]
    private static partial Regex Type();

    [GeneratedRegex(@"(?m)^(matrix_to_device_\w+)(?:\{([^}]*)\})? ")]
    private static partial Regex Series();

    [GeneratedRegex("\\w+=\"[^\"]*\"")]
    private static partial Regex Label();
}
