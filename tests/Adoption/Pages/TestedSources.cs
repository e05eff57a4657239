using System.Text.RegularExpressions;

namespace Adoption;

/// <summary>The C# that is compiled and run: of the tests and of the samples. White space and empty lines do not matter.</summary>
internal static partial class TestedSources
{
    private static readonly string[] s_folders = ["tests", "samples"];

    private static readonly Lazy<IReadOnlyList<string>> s_sources = new(() =>
        [.. Compiled().Select(file => Normalize(File.ReadAllLines(Path.Combine(Page.Repository, file))))]);

    private static readonly Lazy<IReadOnlyList<(string File, string Name, string Lines)>> s_parts = new(() =>
        [.. Compiled().SelectMany(file => MarkedPart().Matches(File.ReadAllText(Path.Combine(Page.Repository, file)))
            .Select(part => (file, part.Groups[1].Value, Normalize(part.Groups[2].Value.Split('\n')))))]);

    /// <summary>What stands between marks such as <c>// &lt;readme-sync&gt;</c>, because a page shows it. <c>adopted</c> marks what is counted.</summary>
    public static IEnumerable<(string File, string Name, string Lines)> Parts => s_parts.Value.Where(part => part.Name != "adopted");

    /// <summary>
    /// Whether the lines stand in one source, one behind the other. A line that begins with <c>// …</c> stands for any number of lines.
    /// </summary>
    public static bool Contain(IEnumerable<string> lines)
    {
        var pieces = LeftOut().Split(Normalize(lines)).Select(piece => piece.Trim('\n')).Where(piece => piece.Length > 0).ToList();
        return pieces.Count > 0 && s_sources.Value.Any(source => Contains(source, pieces));
    }

    /// <summary>One line below the other, each without what it is indented by.</summary>
    public static string Normalize(IEnumerable<string> lines) =>
        $"\n{string.Join('\n', lines.Select(line => Space().Replace(line.Trim(), " ")).Where(line => line.Length > 0 && !Mark().IsMatch(line)))}\n";

    private static bool Contains(string source, List<string> pieces)
    {
        var from = 0;
        foreach (var piece in pieces)
        {
            var at = source.IndexOf($"\n{piece}\n", from, StringComparison.Ordinal);
            if (at < 0) return false;
            from = at + piece.Length;
        }

        return true;
    }

    // Files of a project, and not those that their project leaves out.
    private static IEnumerable<string> Compiled()
    {
        var folders = s_folders.Select(folder => Path.Combine(Page.Repository, folder)).ToList();
        var notCompiled = folders.SelectMany(folder => Page.FilesOf(folder, "*.csproj")).SelectMany(project =>
            NotCompiled().Matches(File.ReadAllText(Path.Combine(Page.Repository, project))).Select(match => $"{project[..project.LastIndexOf('/')]}/{match.Groups[1].Value}"));
        return folders.SelectMany(folder => Page.FilesOf(folder, "*.cs")).Where(file => !notCompiled.Any(folder => file.StartsWith(folder, StringComparison.Ordinal)));
    }

    [GeneratedRegex(@"(?s)// <([a-z][\w-]*)>\n(.*?)\n *// </\1>")]
    private static partial Regex MarkedPart();

    [GeneratedRegex(@"^// </?[a-z][\w-]*>$")]
    private static partial Regex Mark();

    [GeneratedRegex(" +")]
    private static partial Regex Space();

    [GeneratedRegex(@"\n// …[^\n]*")]
    private static partial Regex LeftOut();

    [GeneratedRegex("""<Compile Remove="([^"*.]+)\*\*""")]
    private static partial Regex NotCompiled();
}
