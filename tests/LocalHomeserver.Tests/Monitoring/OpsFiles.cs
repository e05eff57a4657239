using System.Reflection;
using System.Text.RegularExpressions;

namespace LocalHomeserver.Tests;

/// <summary>The dashboard and the alert rules that operators take over.</summary>
internal static partial class OpsFiles
{
    public static string Repository { get; } = typeof(OpsFiles).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(one => one.Key == "Repository").Value!;

    public static string Folder { get; } = Path.Combine(Repository, "ops");

    public static string Dashboard { get; } = Read("dashboard.json");

    public static string Alerts { get; } = Read("alerts.yml");

    /// <summary>The names of series that they ask for.</summary>
    public static IEnumerable<(string File, IReadOnlyList<string> Names)> Metrics => Files.Select(file => (file.Name, Of(Name(), file.Text)));

    /// <summary>The labels that they ask for.</summary>
    public static IEnumerable<(string File, IReadOnlyList<string> Labels)> Labels =>
        Files.Select(file => (file.Name, (IReadOnlyList<string>)[.. Of(Label(), file.Text).Where(label => !label.StartsWith("job=", StringComparison.Ordinal))]));

    private static (string Name, string Text)[] Files => [("dashboard.json", Dashboard.Replace("\\\"", "\"", StringComparison.Ordinal)), ("alerts.yml", Alerts)];

    private static string Read(string file) => File.ReadAllText(Path.Combine(Folder, file));

    private static IReadOnlyList<string> Of(Regex regex, string text) => [.. regex.Matches(text).Select(match => match.Groups[1].Value).Distinct()];

    [GeneratedRegex(@"\b(matrix_to_device_\w+)")]
    private static partial Regex Name();

    // Behind a brace or a comma: what a selector asks for, and not what a text says.
    [GeneratedRegex("[{,] *(\\w+=\"[^\"$]*\")")]
    private static partial Regex Label();
}
