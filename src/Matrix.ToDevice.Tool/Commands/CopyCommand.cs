using System.CommandLine;

namespace Matrix.ToDevice.Tool;

internal static class CopyCommand
{
    public static ToolCommand Create()
    {
        const string Example = "copy --from todevice.db --to \"postgresql:Host=db;Database=matrix;Username=matrix\"",
            ToMany = "copy --from env:TODEVICE_STORE --to \"postgresql:Host=coordinator;Database=matrix;Username=matrix;Layout=Citus\"";
        var from = new Option<string>("--from") { Description = "The store to move: named as elsewhere. It stays as it is.", Required = true, HelpName = "store" };
        var to = new Option<string>("--to") { Description = "An empty store, or one that is made.", Required = true, HelpName = "store" };
        var running = new Option<bool>("--running") { Description = Moving.RunningDescription };
        return new ToolCommand(
            "copy", "Moves everything from one store to another one that is empty, without a file in between: all of it, or nothing.", Example, ToMany)
        {
            from, to, running,
        }.Does(context => RunAsync(context, context.Value(from)!, context.Value(to)!, context.Value(running)));
    }

    private static async Task<int> RunAsync(CommandContext context, string from, string to, bool running)
    {
        var (source, target) = (context.Address(from), context.Address(to));
        if (source == target) throw ToolException.Usage("--from and --to name the same store.");
        await using var store = await Moving.OpenSourceAsync(context, source, running);
        await using var empty = await Moving.OpenTargetAsync(target, context.CancellationToken);
        return Moving.Tell(context, source.Name, target.Name, await Moving.SendAsync(context, store, empty));
    }
}
