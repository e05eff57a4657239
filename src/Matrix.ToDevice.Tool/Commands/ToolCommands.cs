using System.CommandLine;
using System.CommandLine.Help;

namespace Matrix.ToDevice.Tool;

/// <summary>All commands.</summary>
internal static class ToolCommands
{
    public static RootCommand Create()
    {
        var root = new RootCommand(
            "Looks after the stores of Matrix.ToDevice: SQLite files and PostgreSQL databases. "
            + "Exit codes: 0 fine, 1 something was found or refused, 2 wrong usage, 3 the store cannot be used, 4 a fault of the tool, 130 interrupted. "
            + "Where it is not 0, nothing was changed, unless the message says so.");
        root.Options.Add(ToolCommand.Json);
        foreach (var command in new[]
        {
            InspectCommand.Create(), InboxesCommand.Create(), OutboxCommand.Create(), ShowCommand.Create(), PurgeCommand.Create(), MigrateCommand.Create(),
            VerifyCommand.Create(), ExportCommand.Create(), ImportCommand.Create(), CopyCommand.Create(),
        })
        {
            root.Subcommands.Add(command);
        }

        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new ToolCommand.HelpWithExamples((HelpAction)help.Action!);
        return root;
    }
}
