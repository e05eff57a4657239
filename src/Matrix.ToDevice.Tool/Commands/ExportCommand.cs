using System.CommandLine;

namespace Matrix.ToDevice.Tool;

internal static class ExportCommand
{
    public static ToolCommand Create()
    {
        var store = ToolCommand.Store();
        var file = new Argument<string>("file") { Description = "The file to write; there must be none of that name." };
        var running = new Option<bool>("--running") { Description = Moving.RunningDescription };
        return new ToolCommand(
            "export", "Writes everything that a store holds into a file, for import. The file holds users' data: only its owner may read it.",
            "export todevice.db todevice.export", "export env:TODEVICE_STORE copy.export --running")
        {
            store, file, running,
        }.Does(context => RunAsync(context, context.Value(store), context.Value(file), context.Value(running)));
    }

    private static async Task<int> RunAsync(CommandContext context, string text, string file, bool running)
    {
        var address = context.Address(text);
        await using var source = await Moving.OpenSourceAsync(context, address, running);
        await using var target = new ExportWriter(file);
        return Moving.Tell(context, address.Name, file, await Moving.SendAsync(context, source, target));
    }
}
