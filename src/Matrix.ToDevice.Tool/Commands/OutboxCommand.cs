namespace Matrix.ToDevice.Tool;

internal static class OutboxCommand
{
    public static ToolCommand Create()
    {
        var store = ToolCommand.Store();
        var limit = ToolCommand.Limit();
        var skip = ToolCommand.Skip();
        return new ToolCommand(
            "outbox", "What waits for other servers and appservices, those in trouble first.", "outbox todevice.db", "outbox env:TODEVICE_STORE --limit 5 --json")
        {
            store, limit, skip,
        }.Does(context => RunAsync(context, context.Value(store), new DestinationQuery(context.Value(limit), context.Value(skip))));
    }

    private static async Task<int> RunAsync(CommandContext context, string text, DestinationQuery query)
    {
        await using var store = await context.OpenAsync(context.Address(text));
        var destinations = await store.DestinationsAsync(query, context.CancellationToken);
        context.Printer.Json(new OutboxResult(destinations), ResultJson.Default.OutboxResult);
        context.Printer.Table(
            ["destination", "#EDUs", "#bytes", "#oldest", "#failures", "next try"],
            destinations.Select(destination => new[]
            {
                destination.Destination, Printer.Number(destination.Edus), Printer.Bytes(destination.Bytes), Printer.Age(destination.Oldest),
                Printer.Number(destination.Failures), destination.Holder is not null ? "being sent to" : Printer.Time(destination.NextTry),
            }));
        if (destinations.Count == query.Limit) context.Printer.Line($"There may be more: --skip {query.Skip + query.Limit}");
        return ExitCode.Fine;
    }
}
