using System.CommandLine;

namespace Matrix.ToDevice.Tool;

internal static class ImportCommand
{
    public static ToolCommand Create()
    {
        var store = ToolCommand.Store();
        var file = new Argument<string>("file") { Description = "What export has written." };
        return new ToolCommand(
            "import", "Brings an export into an empty store, or into one that is made for it: all of it, or nothing.",
            "import new.db todevice.export", "import \"postgresql:Host=db;Database=matrix;Username=matrix\" todevice.export")
        {
            store, file,
        }.Does(context => RunAsync(context, context.Value(store), context.Value(file)));
    }

    private static async Task<int> RunAsync(CommandContext context, string text, string file)
    {
        var address = context.Address(text);
        var export = new ExportReader(file);
        var size = File.Exists(file) ? new FileInfo(file).Length : 0;
        // To its end, before anything is made of it.
        await Work.RunAsync(context.Printer.IsJson, "Checking", size, progress => export.CheckAsync(progress, context.CancellationToken));
        await using var target = new Counted(await Moving.OpenTargetAsync(address, context.CancellationToken));
        await Work.RunAsync(context.Printer.IsJson, "Importing", size, progress => export.SendAsync(target, progress, context.CancellationToken));
        return Moving.Tell(context, file, address.Name, target.Counts);
    }
}
