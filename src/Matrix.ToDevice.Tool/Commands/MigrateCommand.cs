using System.CommandLine;

namespace Matrix.ToDevice.Tool;

internal static class MigrateCommand
{
    public static ToolCommand Create()
    {
        var store = ToolCommand.Store();
        var check = new Option<bool>("--check") { Description = "Only say which version it has; the exit code is 1 when it is an older one." };
        var make = new Option<bool>("--create") { Description = "Make the tables where there are none: a new file, or a schema without them." };
        return new ToolCommand(
            "migrate", "Brings the tables to this version, as a host does at its start. SQLite: while the server is stopped.",
            "migrate todevice.db --check", "migrate \"postgresql:Host=db;Database=matrix;Username=matrix\"", "migrate new.db --create")
        {
            store, check, make,
        }.Does(context => RunAsync(context, context.Value(store), context.Value(check), context.Value(make)));
    }

    private static async Task<int> RunAsync(CommandContext context, string text, bool check, bool create)
    {
        var address = context.Address(text);
        var found = address is SqliteAddress sqlite
            ? SqliteOpening.FindVersion(sqlite.Path)
            : await FindVersionAsync((PostgreSqlAddress)address, context.CancellationToken);
        if (found is null or 0 && !(create && !check) || found > SqliteOpening.SchemaVersion) Refuse(address, found);
        var version = found ?? 0;
        var isOld = version < SqliteOpening.SchemaVersion;
        if (isOld && !check) await (await StoreServices.OpenAsync(address, migrate: true, context.CancellationToken)).DisposeAsync();

        context.Printer.Json(
            new MigrateResult(address.Name, version, SqliteOpening.SchemaVersion, isOld && !check), ResultJson.Default.MigrateResult);
        context.Printer.Line(
            !isOld ? $"{address.Name} has schema version {version}, which is this version's."
            : check ? $"{address.Name} has schema version {version}; this version's is {SqliteOpening.SchemaVersion}."
            : $"{address.Name} was brought from schema version {version} to {SqliteOpening.SchemaVersion}.");
        return isOld && check ? ExitCode.Findings : ExitCode.Fine;
    }

    private static async Task<int?> FindVersionAsync(PostgreSqlAddress address, CancellationToken cancellationToken)
    {
        await using var connection = await PostgreSqlOpening.ConnectAsync(address, cancellationToken);
        return await PostgreSqlOpening.FindVersionAsync(connection, address.Schema, cancellationToken);
    }

    private static void Refuse(StoreAddress address, int? version)
    {
        if (address is SqliteAddress sqlite) SqliteOpening.RequireCurrent(sqlite.Path, version);
        else PostgreSqlOpening.RequireCurrent((PostgreSqlAddress)address, version);
    }
}
