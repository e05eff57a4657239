using System.Globalization;
using Npgsql;

namespace Matrix.ToDevice.Tool;

/// <summary>Opens the schema of a PostgreSQL store, and finds out whether it is one.</summary>
internal static class PostgreSqlOpening
{
    public const int SchemaVersion = 5;

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
    public static void RequireCurrent(PostgreSqlAddress address, int? version)
    {
        if (version == SchemaVersion) return;
        throw ToolException.Unusable(version switch
        {
            null => $"There is no schema {address.Schema} in {address.Settings.Database}. Say which one it is with Schema=… in the connection string.",
            0 => $"The schema {address.Schema} in {address.Settings.Database} has no tables of Matrix.ToDevice. Name another one.",
            > SchemaVersion => string.Create(
                CultureInfo.InvariantCulture,
                $"{address.Name} has schema version {version}, and this tool knows {SchemaVersion}: a newer one has made it. Use the tool of that version."),
            _ => string.Create(
                CultureInfo.InvariantCulture, $"{address.Name} has schema version {version}, and this tool knows {SchemaVersion}. Run matrix-to-device migrate."),
        });
    }

    /// <summary>The version of the tables; 0 when there are none, null when there is no schema.</summary>
    public static async Task<int?> FindVersionAsync(NpgsqlConnection connection, string schema, CancellationToken cancellationToken)
    {
        if (!await ExistsAsync("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1")) return null;
        if (!await ExistsAsync("""
            SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relname = 'to_device_schema'
            """))
        {
            return 0;
        }

        await using var command = new NpgsqlCommand($"SELECT coalesce(max(version), 0) FROM {Quote(schema)}.to_device_schema", connection);
        return Convert.ToInt32(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture);

        async Task<bool> ExistsAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection) { Parameters = { new NpgsqlParameter<string> { TypedValue = schema } } };
            return await command.ExecuteScalarAsync(cancellationToken) is not null;
        }
    }
}
