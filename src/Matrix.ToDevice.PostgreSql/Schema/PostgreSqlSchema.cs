using System.Data;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>
/// Brings the tables up to this version of the package, one numbered file after the other, and then the functions; or checks that
/// they are.
/// </summary>
internal static class PostgreSqlSchema
{
    // Hosts that start at the same moment take turns. Any number that nobody else in the database is likely to use.
    private const long MigrationLock = 0x6d61_7472_6978_7464;
    public const string VersionTable = "to_device_schema";
    private const int OldestServer = 13;
    private const string Encoding = "UTF8";
    private static readonly TimeSpan s_longestWait = TimeSpan.FromMinutes(2);

    // The functions' file comes last.
    private static readonly string[] s_files =
        [.. typeof(PostgreSqlSchema).Assembly.GetManifestResourceNames().Where(name => name.EndsWith(".sql", StringComparison.Ordinal) && !name.Contains('/')).Order(StringComparer.Ordinal)];
    private static readonly int s_version = s_files.Length - 1;

    /// <summary>The schema's name as SQL.</summary>
    public static string Quote(string schema) => $"\"{schema.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>Checks the tables' version, and makes or changes the tables if that is wanted.</summary>
    public static async Task UpgradeAsync(
        NpgsqlConnection connection, PostgreSqlStoreOptions options, string database, TimeProvider time, ILogger logger,
        CancellationToken cancellationToken)
    {
        await CheckServerAsync(connection, database, cancellationToken);
        if (await HasTableAsync(connection, options.Schema, DistributedSchema.VersionTable, cancellationToken))
        {
            throw new PostgreSqlStoreException(
                $"The schema {options.Schema} in {database} has the layout for many machines. Set Layout to {PostgreSqlLayout.Citus} or "
                + $"{PostgreSqlLayout.CitusReady}, or Schema to another one.");
        }

        var version = await VersionAsync(connection, options.Schema, database, cancellationToken);
        if (version == s_version) return;
        if (!options.Migrate)
        {
            throw new PostgreSqlStoreException(
                $"The schema {options.Schema} in {database} has version {version}, and Migrate is false. Run {s_files[version]} and all later "
                + $"files of the package's folder schema, with search_path set to {options.Schema}.");
        }

        var started = time.GetTimestamp();
        while (true)
        {
            try
            {
                await MigrateAsync(connection, options.Schema, database, logger, cancellationToken);
                return;
            }
            catch (PostgresException exception) when (TableLocks.WasNotFree(exception))
            {
                if (time.GetElapsedTime(started) > s_longestWait)
                {
                    throw new PostgreSqlStoreException(
                        $"The tables of the schema {options.Schema} in {database} have version {version}, and could not be taken to bring them to "
                        + $"{s_version}: somebody holds them, a dump for example, or another host that brings them up. Wait for that or end it, and start again.",
                        exception);
                }
            }

            // Not at the pace of whoever else tries.
            await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(100, 1000)), time, cancellationToken);
        }
    }

    /// <summary>Throws when this server cannot hold the tables.</summary>
    public static async Task CheckServerAsync(NpgsqlConnection connection, string database, CancellationToken cancellationToken)
    {
        if (connection.PostgreSqlVersion.Major < OldestServer)
            throw new PostgreSqlStoreException($"{database} runs PostgreSQL {connection.PostgreSqlVersion}; the store needs {OldestServer} or later.");

        if (await ExecuteAsync(connection, "SELECT current_setting('server_encoding')", cancellationToken) is var encoding and not Encoding)
        {
            throw new PostgreSqlStoreException(
                $"{database} has the encoding {encoding}, which lacks characters that clients may choose; the store needs {Encoding}. "
                + $"Make a database with CREATE DATABASE … ENCODING '{Encoding}' TEMPLATE template0.");
        }

        await RefuseReadOnlyAsync(connection, database, cancellationToken);
    }

    /// <summary>Takes the turn of those who make or change tables, until the end of the transaction.</summary>
    public static Task TakeTurnAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        ExecuteAsync(connection, string.Create(CultureInfo.InvariantCulture, $"SELECT pg_advisory_xact_lock({MigrationLock})"), cancellationToken);

    // From the catalogue itself: to_regclass does not see what another host made while this one waited for its turn.
    public static async Task<bool> HasTableAsync(NpgsqlConnection connection, string schema, string table, CancellationToken cancellationToken) =>
        await ExecuteAsync(connection, $"""
            SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relname = '{table}'
            """, cancellationToken, schema) is not null;

    /// <summary>Makes the schema if it is not there, and works in it until the end of the transaction.</summary>
    public static async Task EnterAsync(NpgsqlConnection connection, string schema, CancellationToken cancellationToken)
    {
        // IF NOT EXISTS asks for the right to create schemas, also when there is nothing to create.
        if (await ExecuteAsync(connection, "SELECT 1 FROM pg_namespace WHERE nspname = $1", cancellationToken, schema) is null)
            await ExecuteAsync(connection, $"CREATE SCHEMA {Quote(schema)}", cancellationToken);
        await ExecuteAsync(connection, $"SET LOCAL search_path TO {Quote(schema)}", cancellationToken);
    }

    /// <summary>Runs a file of the package, however long it takes.</summary>
    public static async Task RunFileAsync(NpgsqlConnection connection, string name, CancellationToken cancellationToken)
    {
        using var file = new StreamReader(typeof(PostgreSqlSchema).Assembly.GetManifestResourceStream(name)!);
        await ExecuteAsync(connection, await file.ReadToEndAsync(cancellationToken), cancellationToken, timeoutSeconds: 0);
    }

    private static async Task MigrateAsync(
        NpgsqlConnection connection, string schema, string database, ILogger logger, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);
        await ExecuteAsync(connection, "SET LOCAL lock_timeout = '5s'", cancellationToken);
        await TakeTurnAsync(connection, cancellationToken);
        var version = await VersionAsync(connection, schema, database, cancellationToken);
        if (version == s_version) return;
        await TableLocks.TakeAsync(connection, schema, version, cancellationToken);
        await EnterAsync(connection, schema, cancellationToken);
        for (var next = version; next < s_files.Length; next++) await RunFileAsync(connection, s_files[next], cancellationToken);

        await transaction.CommitAsync(cancellationToken);
        Log.Migrated(logger, schema, version, s_version);
    }

    /// <summary>The tables' version, 0 when there are none.</summary>
    /// <exception cref="PostgreSqlStoreException">They are newer than this version of the package.</exception>
    private static async Task<int> VersionAsync(NpgsqlConnection connection, string schema, string database, CancellationToken cancellationToken)
    {
        if (!await HasTableAsync(connection, schema, VersionTable, cancellationToken)) return 0;

        var version = Convert.ToInt32(
            await ExecuteAsync(connection, $"SELECT coalesce(max(version), 0) FROM {Quote(schema)}.to_device_schema", cancellationToken), CultureInfo.InvariantCulture);
        return version <= s_version ? version : throw new PostgreSqlStoreException(
            $"The schema {schema} in {database} has version {version}; this version of Matrix.ToDevice.PostgreSql knows up to {s_version}. "
            + "A newer one has made it: use that, or restore a backup.");
    }

    /// <summary>Throws when the tables cannot be used as they are.</summary>
    public static async Task CheckAsync(NpgsqlConnection connection, string schema, string database, CancellationToken cancellationToken)
    {
        await RefuseReadOnlyAsync(connection, database, cancellationToken);
        if (await VersionAsync(connection, schema, database, cancellationToken) < s_version)
            throw new PostgreSqlStoreException($"Tables of the schema {schema} are missing in {database}. Restart the server to make them.");
    }

    private static async Task RefuseReadOnlyAsync(NpgsqlConnection connection, string database, CancellationToken cancellationToken)
    {
        if (await ExecuteAsync(connection, "SELECT current_setting('transaction_read_only')", cancellationToken) is "on")
        {
            throw new PostgreSqlStoreException(
                $"{database} is read-only: it is a standby, or default_transaction_read_only is set. Connect to the primary.");
        }
    }

    public static async Task<object?> ExecuteAsync(
        NpgsqlConnection connection, string sql, CancellationToken cancellationToken, string? parameter = null, int? timeoutSeconds = null)
    {
        await using var command = connection.CreateCommand();
        command.CommandTimeout = timeoutSeconds ?? command.CommandTimeout;
#pragma warning disable CA2100 // Made of constants, numbers and a quoted name.
        command.CommandText = sql;
#pragma warning restore CA2100
        if (parameter is not null) command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = parameter });
        return await command.ExecuteScalarAsync(cancellationToken);
    }
}
