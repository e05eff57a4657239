using System.CommandLine;

namespace Matrix.ToDevice.Tool;

internal static class ShowCommand
{
    public static ToolCommand Create()
    {
        var store = ToolCommand.Store();
        var user = new Argument<string>("user") { Description = "The user ID." };
        var device = new Argument<string>("device") { Description = "The device ID." };
        var contents = new Option<bool>("--contents") { Description = "Show the contents too: users' own data." };
        var limit = ToolCommand.Limit();
        return new ToolCommand(
            "show", "The oldest messages of an inbox: who sent what type, and when. Contents only when they are asked for.",
            "show todevice.db @bob:example.org JLAFKJWSCS", "show todevice.db @bob:example.org JLAFKJWSCS --limit 1 --contents")
        {
            store, user, device, contents, limit,
        }.Does(context => RunAsync(
            context, context.Value(store), new DeviceAddress(context.Value(user), context.Value(device)), context.Value(contents), context.Value(limit)));
    }

    private static async Task<int> RunAsync(CommandContext context, string text, DeviceAddress device, bool contents, int limit)
    {
        await using var store = await context.OpenAsync(context.Address(text));
        var waiting = (await store.EndOfInboxAsync(device, context.CancellationToken)).Messages;
        var messages = await store.MessagesAsync(device, contents, limit, context.CancellationToken);
        context.Printer.Json(new ShowResult(device.UserId, device.DeviceId, waiting, messages), ResultJson.Default.ShowResult);
        string[] columns = ["#sequence", "sender", "type", "#bytes", "committed"];
        context.Printer.Table(
            contents ? [.. columns, "content"] : columns,
            messages.Select(message => (string[])
            [
                Printer.Number(message.Sequence), message.Sender, message.EventType, Printer.Bytes(message.Bytes), Printer.Time(message.CommittedAt),
                .. contents ? [message.Content ?? ""] : Array.Empty<string>(),
            ]));
        context.Printer.Line($"{Printer.Number(messages.Count)} of {Printer.Number(waiting)} messages");
        return ExitCode.Fine;
    }
}
