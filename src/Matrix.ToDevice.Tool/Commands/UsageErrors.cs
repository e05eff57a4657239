using System.CommandLine;

namespace Matrix.ToDevice.Tool;

/// <summary>What is wrong with a command line.</summary>
internal static class UsageErrors
{
    public static int Tell(ParseResult parsed)
    {
        // It would repeat what it does not know, a password for example.
        var message = parsed.Errors[0].Message;
        foreach (var token in parsed.Tokens.Where(token => token.Value.Contains('=')))
            message = message.Replace(token.Value, "…", StringComparison.Ordinal);
        var command = parsed.CommandResult.Command is ToolCommand known ? $"matrix-to-device {PathOf(known)}" : "matrix-to-device";
        Console.Error.WriteLine($"matrix-to-device: {Visible.Of(message.ReplaceLineEndings(" "))} See {command} --help.");
        return ExitCode.Usage;
    }

    private static string PathOf(ToolCommand command) =>
        command.Parents.OfType<ToolCommand>().FirstOrDefault() is { } parent ? $"{PathOf(parent)} {command.Name}" : command.Name;
}
