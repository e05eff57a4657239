namespace Matrix.ToDevice.Tool;

internal static class VerifyCommand
{
    public static ToolCommand Create()
    {
        var store = ToolCommand.Store();
        return new ToolCommand(
            "verify", "Checks every promise that can be checked at rest, down to each content. It reads everything; the exit code is 1 when something is found.",
            "verify todevice.db", "verify env:TODEVICE_STORE --json")
        {
            store,
        }.Does(context => RunAsync(context, context.Value(store)));
    }

    private static async Task<int> RunAsync(CommandContext context, string text)
    {
        var address = context.Address(text);
        var findings = new Findings();
        await using (var store = await context.OpenAsync(address))
        {
            await Work.RunAsync(
                context.Printer.IsJson, "Verifying", 0, progress => store.VerifyAsync(findings, progress, context.CancellationToken));
        }

        context.Printer.Json(new VerifyResult(address.Name, findings.Count, findings.Checks, findings.Lines), ResultJson.Default.VerifyResult);
        foreach (var check in findings.Checks)
        {
            var lines = findings.Lines.Where(line => line.Check == check).ToList();
            context.Printer.Line($"{(lines.Count == 0 ? "ok     " : "FOUND  ")}{check}");
            foreach (var line in lines) context.Printer.Line($"       {line.Text}");
        }

        context.Printer.Line(findings.Count == 0 ? "Nothing was found." : $"{Printer.Number(findings.Count)} findings.");
        return findings.Count == 0 ? ExitCode.Fine : ExitCode.Findings;
    }
}
