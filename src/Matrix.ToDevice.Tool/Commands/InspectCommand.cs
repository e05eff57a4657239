namespace Matrix.ToDevice.Tool;

internal static class InspectCommand
{
    public static ToolCommand Create()
    {
        var store = ToolCommand.Store();
        return new ToolCommand(
            "inspect", "Totals: messages, inboxes, the outbox, transaction records, sizes. Works beside a running server.",
            "inspect todevice.db", "inspect \"postgresql:Host=db;Database=matrix;Username=matrix\" --json", "inspect env:TODEVICE_STORE")
        {
            store,
        }.Does(context => RunAsync(context, context.Value(store)));
    }

    private static async Task<int> RunAsync(CommandContext context, string text)
    {
        await using var store = await context.OpenAsync(context.Address(text));
        var found = await store.InspectAsync(context.CancellationToken);
        var printer = context.Printer;
        printer.Json(found, ResultJson.Default.Inspection);
        printer.Line($"{found.Store} ({found.Kind}{(found.Layout is null ? "" : $", layout {found.Layout}")}, schema version {found.SchemaVersion})");
        printer.Line(found.InUse switch { true => "In use by a server.", false => "No server has it open.", null => "Whether a server has it open, this user may not find out." });
        printer.Table(
            ["", "#", "#bytes", "in", "#oldest"],
            [
                [
                    "messages that wait", Printer.Number(found.Messages.Messages), Printer.Bytes(found.Messages.Bytes),
                    $"{Printer.Number(found.Messages.Inboxes)} inboxes", Printer.Age(found.Messages.Oldest),
                ],
                .. found.Undelivered is { } undelivered
                    ? new string[][] { ["parts of sends, not delivered yet", Printer.Number(undelivered.Parts), "", "", Printer.Age(undelivered.Oldest)] } : [],
                [
                    "EDUs for other servers", Printer.Number(found.Outbox.Edus), Printer.Bytes(found.Outbox.Bytes),
                    $"{Printer.Number(found.Outbox.Destinations)} destinations, {Printer.Number(found.Outbox.InTrouble)} in trouble", Printer.Age(found.Outbox.Oldest),
                ],
                ["records of sends", Printer.Number(found.Records.Sends), "", "", Printer.Age(found.Records.Oldest)],
                ["records of other servers' EDUs", Printer.Number(found.Records.Edus), "", "", ""],
            ]);
        printer.Table(["on the disk", "#bytes"], found.Sizes.Select(size => new[] { size.Name, Printer.Bytes(size.Bytes) }));
        return ExitCode.Fine;
    }
}
