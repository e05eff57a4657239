using System.Text.RegularExpressions;

namespace Matrix.ToDevice.Tests;

/// <summary>What the commands say of themselves, there and in docs/tool.md.</summary>
internal sealed partial class HelpTests
{
    private static readonly string s_page = File.ReadAllText(Path.Combine(Repository.Folder, "docs/tool.md"));

    private static IEnumerable<string> Commands =>
    [
        "inspect", "inboxes", "outbox", "show", "purge", "purge device", "purge user", "purge destination", "migrate", "verify", "export", "import", "copy",
    ];

    [TestCaseSource(nameof(Commands))]
    public async Task The_page_shows_the_help_of_each_command(string command)
    {
        var help = (await ToolRun.FineAsync([.. command.Split(' '), "--help"])).Output;

        var shown = Block().Matches(s_page).Select(block => block.Groups[1].Value).SingleOrDefault(block => block.StartsWith($"$ matrix-to-device {command} --help\n", StringComparison.Ordinal));
        Assert.That(shown, Is.Not.Null, "docs/tool.md has no block that begins with it");
        Assert.That(Lines(shown![(shown.IndexOf('\n', StringComparison.Ordinal) + 1)..]), Is.EqualTo(Lines(help)));
        if (command != "purge") Assert.That(help, Does.Contain($"Examples:\n  matrix-to-device {command} "));
    }

    [Test]
    public async Task Every_command_is_in_the_list_above()
    {
        var help = (await ToolRun.FineAsync("--help")).Output;

        var named = Name().Matches(help[help.IndexOf("Commands:", StringComparison.Ordinal)..]).Select(match => match.Groups[1].Value);
        Assert.That(named, Is.EqualTo(Commands.Where(command => !command.Contains(' ', StringComparison.Ordinal))));
    }

    private static List<string> Lines(string text) => [.. text.TrimEnd().Split('\n').Select(line => line.TrimEnd())];

    [GeneratedRegex("```text\n(.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"(?m)^  (\w+)\b")]
    private static partial Regex Name();
}
