using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Matrix.ToDevice.Tool;

/// <summary>A command with examples in its help.</summary>
internal sealed class ToolCommand(string name, string description, params string[] examples) : Command(name, description)
{
    public static Option<bool> Json { get; } = new("--json") { Description = "Write one JSON object instead, whose shape stays (docs/tool.md).", Recursive = true };

    public IReadOnlyList<string> Examples => examples;

    public static Argument<string> Store() => new("store")
    {
        Description = "A SQLite file; \"postgresql:Host=…;Database=…;Username=…\" (with Schema=… if it is not to_device); "
            + "or env:NAME or file:PATH, which hold one of these.",
    };

    public static Option<int> Limit() => Number("--limit", "The most lines.", 20, 1);

    public static Option<int> Skip() => Number("--skip", "How many lines to pass over: the pages before.", 0, 0);

    /// <summary>Runs it, and says in one line what went wrong.</summary>
    public ToolCommand Does(Func<CommandContext, Task<int>> action)
    {
        SetAction((parsed, cancellationToken) => RunAsync(new CommandContext(parsed, new Printer(parsed.GetValue(Json)), cancellationToken), action));
        return this;
    }

    private static async Task<int> RunAsync(CommandContext context, Func<CommandContext, Task<int>> action)
    {
        try
        {
            return await action(context);
        }
        catch (Exception exception)
        {
            var (message, code) = context.Explain(exception);
            await Console.Error.WriteLineAsync($"matrix-to-device: {Visible.Of(message.ReplaceLineEndings(" "))}");
            context.Printer.Json(new ErrorResult(message, code), ResultJson.Default.ErrorResult);
            return code;
        }
    }

    private static Option<int> Number(string name, string description, int usual, int least)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => usual };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < least) result.AddError($"{name} has to be {least} or more.");
        });
        return option;
    }

    /// <summary>The help of the library, and the examples below it.</summary>
    internal sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
    {
        private const int Width = 120;

        // The same on every terminal, and in docs/tool.md.
        public override int Invoke(ParseResult parseResult)
        {
            help.MaxWidth = Width;
            var code = help.Invoke(parseResult);
            if (parseResult.CommandResult.Command is not ToolCommand { Examples.Count: > 0 } command) return code;
            var output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (var example in command.Examples) output.WriteLine($"  matrix-to-device {example}");
            output.WriteLine();
            return code;
        }
    }
}
