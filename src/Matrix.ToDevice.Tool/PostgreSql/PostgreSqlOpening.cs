using System.Globalization;
using Npgsql;

namespace Matrix.ToDevice.Tool;

/// <summary>Opens the schema of a PostgreSQL store, and finds out whether it is one.</summary>
internal static class PostgreSqlOpening
{
    public static string Quote(string schema) => $"\"{schema.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>What makes the schema's tables be found without its name until the end of a transaction, through a pooler too.</summary>
    public static string SetPath(string schema) => $"SET LOCAL search_path TO {Quote(schema)}, pg_catalog";

    /// <summary>A connection of its own.</summary>
    /// <exception cref="ToolException">It cannot be reached.</exception>
    public static async Task<NpgsqlConnection> ConnectAsync(PostgreSqlAddress address, CancellationToken cancellationToken)
    {
        var settings = new NpgsqlConnectionStringBuilder(address.Settings.ToString())
        {
            Pooling = false,
            CommandTimeout = 0,
        };
        var connection = new NpgsqlConnection(settings.ToString());
        try
        {
            await connection.OpenAsync(cancellationToken);
            return connection;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            await connection.DisposeAsync();
            throw StoreErrors.Explain(exception, address.Name) ?? exception;
        }
    }

    /// <exception cref="ToolException">The schema is no store of this version.</exception>
    public static void RequireCurrent(PostgreSqlAddress address, FoundTables found)
    {
        if (found.Version == found.CurrentVersion) return;
        throw ToolException.Unusable(found.Version switch
        {
            null => $"There is no schema {address.Schema} in {address.Settings.Database}. Say which one it is with Schema=… in the connection string.",
            0 => $"The schema {address.Schema} in {address.Settings.Database} has no tables of Matrix.ToDevice. Name another one.",
            { } version when version > found.CurrentVersion => string.Create(
                CultureInfo.InvariantCulture,
                $"{address.Name} has schema version {version}, and this tool knows {found.CurrentVersion}: a newer one has made it. Use the tool of that version."),
            { } version => string.Create(
                CultureInfo.InvariantCulture,
                $"{address.Name} has schema version {version}, and this tool knows {found.CurrentVersion}. Run matrix-to-device migrate."),
        });
    }

    /// <inheritdoc cref="FindAsync(NpgsqlConnection, PostgreSqlAddress, CancellationToken)"/>
    public static async Task<FoundTables> FindAsync(PostgreSqlAddress address, CancellationToken cancellationToken)
    {
        await using var connection = await ConnectAsync(address, cancellationToken);
        return await FindAsync(connection, address, cancellationToken);
    }

    /// <summary>What a schema has. One without tables would get the layout that was named.</summary>
    /// <exception cref="ToolException">It has another layout than it is said to have.</exception>
    public static async Task<FoundTables> FindAsync(NpgsqlConnection connection, PostgreSqlAddress address, CancellationToken cancellationToken)
    {
        var none = address.Layout ?? PostgreSqlLayout.OneMachine;
        if (!await IsAsync("SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)", address.Schema)) return new FoundTables(null, none);

        var isDistributed = await HasTableAsync(address.Schema, "to_device_distribution");
        if (!isDistributed && !await HasTableAsync(address.Schema, "to_device_schema")) return new FoundTables(0, none);

        var layout = !isDistributed ? PostgreSqlLayout.OneMachine : await IsOverMachinesAsync() ? PostgreSqlLayout.Citus : PostgreSqlLayout.CitusReady;
        if (address.Layout is { } named && named != layout)
        {
            throw ToolException.Unusable(
                $"{address.Name} has the layout {layout}, and not {named}. Leave Layout={named} out, or name another schema.");
        }

        var table = isDistributed ? "to_device_distribution" : "to_device_schema";
        await using var command = new NpgsqlCommand($"SELECT coalesce(max(version), 0) FROM {Quote(address.Schema)}.{table}", connection);
        return new FoundTables(Convert.ToInt32(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture), layout);

        Task<bool> HasTableAsync(string schema, string name) => IsAsync($"""
            SELECT EXISTS (
                SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = '{name}')
            """, schema);

        async Task<bool> IsOverMachinesAsync() => await HasTableAsync("pg_catalog", "pg_dist_partition") && await IsAsync("""
            SELECT EXISTS (SELECT FROM pg_catalog.pg_dist_partition WHERE logicalrelid = format('%I.to_device_device', $1)::regclass)
            """, address.Schema);

        async Task<bool> IsAsync(string sql, string schema)
        {
            await using var command = new NpgsqlCommand(sql, connection) { Parameters = { new NpgsqlParameter<string> { TypedValue = schema } } };
            return await command.ExecuteScalarAsync(cancellationToken) is true;
        }
    }

    /// <summary>Whether a host seems to be connected: one that listens, or that has asked for our tables last.</summary>
    public static async Task<bool> IsInUseAsync(NpgsqlConnection connection, string schema, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            SELECT EXISTS (
                SELECT FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND application_name <> 'matrix-to-device'
                    AND (query LIKE 'LISTEN "to_device ' || $1 || '"%' OR query LIKE '%"' || $1 || '".to_device_%'))
            """, connection)
        {
            Parameters = { new NpgsqlParameter<string> { TypedValue = schema } },
        };
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }
}
