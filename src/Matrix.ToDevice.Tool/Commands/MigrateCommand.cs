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
        var tables = address is PostgreSqlAddress postgreSql ? await PostgreSqlOpening.FindAsync(postgreSql, context.CancellationToken) : default;
        var (found, current) = address is SqliteAddress sqlite
            ? (SqliteOpening.FindVersion(sqlite.Path), SqliteOpening.SchemaVersion) : (tables.Version, tables.CurrentVersion);
        if (found is null or 0 && !(create && !check) || found > current) Refuse(address, found, tables);
        var version = found ?? 0;
        var isOld = version < current;
        if (isOld && !check) await (await StoreServices.OpenAsync(address, migrate: true, context.CancellationToken)).DisposeAsync();

        context.Printer.Json(
            new MigrateResult(address.Name, version, current, isOld && !check), ResultJson.Default.MigrateResult);
        context.Printer.Line(
            !isOld ? $"{address.Name} has schema version {version}, which is this version's."
            : check ? $"{address.Name} has schema version {version}; this version's is {current}."
            : $"{address.Name} was brought from schema version {version} to {current}.");
        return isOld && check ? ExitCode.Findings : ExitCode.Fine;
    }

    private static void Refuse(StoreAddress address, int? version, FoundTables tables)
    {
        if (address is SqliteAddress sqlite) SqliteOpening.RequireCurrent(sqlite.Path, version);
        else PostgreSqlOpening.RequireCurrent((PostgreSqlAddress)address, tables);
    }
}
