using System.Reflection;
using System.Text.RegularExpressions;

namespace Adoption;

/// <summary>A page of the repository, with its code apart from its text.</summary>
internal sealed partial class Page
{
    private static readonly string[] s_foreign = [".git", "bin", "obj", "node_modules"];

    private Page(string path)
    {
        Path = path;
        CodeBlock? block = null;
        var number = 0;
        foreach (var line in File.ReadLines(System.IO.Path.Combine(Repository, path)))
        {
            number++;
            if (Fence().Match(line) is { Success: true } fence)
            {
                if (block is null) Blocks.Add(block = new CodeBlock(number, fence.Groups[1].Value, []));
                else block = null;
            }
            else if (block is not null)
            {
                block.Lines.Add(line);
            }
            else
            {
                Text.Add((number, line));
                if (Heading().Match(line) is { Success: true } heading) AddAnchor(heading.Groups[1].Value);
            }
        }
    }

    public static string Repository { get; } = typeof(Page).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(metadata => metadata.Key == "Repository").Value!;

    public static IReadOnlyList<Page> All { get; } = [.. FilesOf(Repository, "*.md").Order(StringComparer.Ordinal).Select(file => new Page(file))];

    /// <summary>Its place in the repository.</summary>
    public string Path { get; }

    public List<CodeBlock> Blocks { get; } = [];

    /// <summary>What is no code block.</summary>
    public List<(int Line, string Text)> Text { get; } = [];

    /// <summary>What a link may name behind <c>#</c>.</summary>
    public HashSet<string> Anchors { get; } = [];

    public override string ToString() => Path;

    public static Page Find(string path) => All.Single(page => page.Path == path);

    /// <summary>The files of the repository below a folder, without what is made or fetched.</summary>
    public static IEnumerable<string> FilesOf(string folder, string pattern) =>
        Directory.EnumerateDirectories(folder).Where(below => !s_foreign.Contains(System.IO.Path.GetFileName(below)))
            .SelectMany(below => FilesOf(below, pattern))
            .Concat(Directory.EnumerateFiles(folder, pattern).Select(file => System.IO.Path.GetRelativePath(Repository, file).Replace('\\', '/')));

    // As GitHub makes them: small letters, digits, hyphens for spaces; a number behind one that comes again.
    private void AddAnchor(string heading)
    {
        var text = Link().Replace(heading.Trim(), "$1").ToLowerInvariant();
        var anchor = string.Concat(text.Where(c => char.IsLetterOrDigit(c) || c is ' ' or '-' or '_')).Replace(' ', '-');
        var name = anchor;
        for (var again = 1; !Anchors.Add(name); again++) name = $"{anchor}-{again}";
    }

    [GeneratedRegex(@"^ *```+ *(\S*)")]
    private static partial Regex Fence();

    [GeneratedRegex("^#+ +(.+)$")]
    private static partial Regex Heading();

    [GeneratedRegex(@"\[([^\]]*)\]\([^)]*\)")]
    private static partial Regex Link();
}

/// <summary>A block of code of a page.</summary>
/// <param name="Line">Where it begins.</param>
/// <param name="Language">What it says it is.</param>
/// <param name="Lines">What it shows.</param>
internal sealed record CodeBlock(int Line, string Language, List<string> Lines)
{
    public bool IsCSharp => Language.ToUpperInvariant() is "CSHARP" or "C#" or "CS";
}
