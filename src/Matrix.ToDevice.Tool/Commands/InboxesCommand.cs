using System.CommandLine;

namespace Matrix.ToDevice.Tool;

internal static class InboxesCommand
{
    public static ToolCommand Create()
    {
        var store = ToolCommand.Store();
        var user = new Option<string?>("--user") { Description = "Only the inboxes of this user." };
        var by = new Option<InboxOrder>("--by") { Description = "What comes first: the most messages, the most bytes, or the oldest message.", DefaultValueFactory = _ => InboxOrder.Messages };
        var limit = ToolCommand.Limit();
        var skip = ToolCommand.Skip();
        return new ToolCommand(
            "inboxes", "The inboxes that are not empty, the largest or oldest first.",
            "inboxes todevice.db", "inboxes todevice.db --by age --limit 5", "inboxes todevice.db --user @bob:example.org")
        {
            store, user, by, limit, skip,
        }.Does(context => RunAsync(
            context, context.Value(store), new InboxQuery(context.Value(user), context.Value(by), context.Value(limit), context.Value(skip))));
    }

    private static async Task<int> RunAsync(CommandContext context, string text, InboxQuery query)
    {
        await using var store = await context.OpenAsync(context.Address(text));
        var inboxes = await store.InboxesAsync(query, context.CancellationToken);
        context.Printer.Json(new InboxesResult(inboxes), ResultJson.Default.InboxesResult);
        context.Printer.Table(
            ["user", "device", "#messages", "#bytes", "#oldest"],
            inboxes.Select(inbox => new[]
            {
                inbox.UserId, inbox.DeviceId, Printer.Number(inbox.Messages), Printer.Bytes(inbox.Bytes), Printer.Age(inbox.Oldest),
            }));
        if (inboxes.Count == query.Limit) context.Printer.Line($"There may be more: --skip {query.Skip + query.Limit}");
        return ExitCode.Fine;
    }
}
