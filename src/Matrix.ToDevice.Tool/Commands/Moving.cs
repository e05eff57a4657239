namespace Matrix.ToDevice.Tool;

/// <summary>What export, import and copy have in common.</summary>
internal static class Moving
{
    public const string RunningDescription = "Go on although a server has the store: what it accepts from now on will be missing.";

    /// <summary>Opens a store to take everything from it.</summary>
    public static async Task<IStore> OpenSourceAsync(CommandContext context, StoreAddress address, bool running)
    {
        var store = await context.OpenAsync(address, alone: !running);
        if (store is not PostgreSqlToolStore postgreSql) return store;
        if (!running && await postgreSql.IsInUseAsync(context.CancellationToken))
        {
            await store.DisposeAsync();
            throw ToolException.Refused(
                $"Hosts seem to be connected to {address.Name}. Stop them, so that nothing is accepted behind what is moved; or say --running.");
        }

        if (!postgreSql.IsDistributed) return store;
        // It is opened anew, to see what was delivered.
        await store.DisposeAsync();
        await Undelivered.DeliverAsync((PostgreSqlAddress)address, context.CancellationToken);
        var delivered = await PostgreSqlToolStore.OpenAsync((PostgreSqlAddress)address, context.CancellationToken);
        try
        {
            await delivered.StandStillAsync(context.CancellationToken);
            return delivered;
        }
        catch
        {
            await delivered.DisposeAsync();
            throw;
        }
    }

    /// <summary>Opens an empty store, or makes it.</summary>
    public static async Task<IMoveTarget> OpenTargetAsync(StoreAddress address, CancellationToken cancellationToken) => address is SqliteAddress sqlite
        ? await SqliteTarget.OpenAsync(sqlite, cancellationToken)
        : await PostgreSqlTarget.OpenAsync((PostgreSqlAddress)address, cancellationToken);

    /// <summary>Sends everything from a store to a target, with its progress.</summary>
    public static async Task<MoveCounts> SendAsync(CommandContext context, IStore source, IMoveTarget target)
    {
        var total = context.Printer.IsJson || Console.IsErrorRedirected ? 0 : await CountAsync(source, context.CancellationToken);
        var counted = new Counted(target);
        await Work.RunAsync(
            context.Printer.IsJson, "Moving", total, progress => source.SendAsync(counted, progress, context.CancellationToken));
        return counted.Counts;
    }

    public static int Tell(CommandContext context, string from, string to, MoveCounts moved)
    {
        context.Printer.Json(new MoveResult(from, to, moved), ResultJson.Default.MoveResult);
        context.Printer.Table(
            ["", "#"],
            [
                ["devices", Printer.Number(moved.Devices)], ["messages", Printer.Number(moved.Messages)], ["transaction records", Printer.Number(moved.Records)],
                ["destinations", Printer.Number(moved.Destinations)], ["EDUs", Printer.Number(moved.Edus)],
            ]);
        context.Printer.Line($"{from} is in {to} now.");
        return ExitCode.Fine;
    }

    private static async Task<long> CountAsync(IStore source, CancellationToken cancellationToken)
    {
        var found = await source.InspectAsync(cancellationToken);
        return found.Messages.Messages + found.Records.Sends + found.Records.Edus + found.Outbox.Edus;
    }
}
