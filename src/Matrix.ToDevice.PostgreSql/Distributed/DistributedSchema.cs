using System.Data;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>Makes the tables of the layout for many machines, or checks that they are there, and that they are distributed.</summary>
internal static class DistributedSchema
{
    public const string VersionTable = "to_device_distribution";
    private const int Version = 1, OldestCitus = 11;

    private static readonly string[] s_files =
        ["distributed/001.sql", "distributed/inboxes.sql", "distributed/outbox.sql", "distributed/sends.sql", "distributed/upkeep.sql"];

    public static async Task UpgradeAsync(
        NpgsqlConnection connection, PostgreSqlStoreOptions options, string database, ILogger logger, CancellationToken cancellationToken)
    {
        var schema = options.Schema;
        await PostgreSqlSchema.CheckServerAsync(connection, database, cancellationToken);
        if (options.Layout == PostgreSqlLayout.Citus) await CheckCitusAsync(connection, database, cancellationToken);
        if (await PostgreSqlSchema.HasTableAsync(connection, schema, PostgreSqlSchema.VersionTable, cancellationToken))
        {
            throw new PostgreSqlStoreException(
                $"The schema {schema} in {database} has the layout for one machine. Set Layout to {PostgreSqlLayout.OneMachine}, or Schema to another one.");
        }

        if (await VersionAsync(connection, schema, database, cancellationToken) == 0)
        {
            if (!options.Migrate)
            {
                throw new PostgreSqlStoreException(
                    $"The schema {schema} in {database} has no tables, and Migrate is false. Run all files of the package's folder schema/distributed, "
                    + $"001.sql first and citus.sql last, with search_path set to {schema}.");
            }

            await CreateAsync(connection, options, database, logger, cancellationToken);
        }

        if (options.Layout == PostgreSqlLayout.Citus) await CheckDistributionAsync(connection, schema, database, cancellationToken);
    }

    /// <summary>Throws when the tables cannot be used as they are.</summary>
    public static async Task CheckAsync(NpgsqlConnection connection, string schema, string database, CancellationToken cancellationToken)
    {
        await PostgreSqlSchema.CheckServerAsync(connection, database, cancellationToken);
        if (await VersionAsync(connection, schema, database, cancellationToken) == 0)
            throw new PostgreSqlStoreException($"Tables of the schema {schema} are missing in {database}. Restart the server to make them.");
    }

    private static async Task CreateAsync(
        NpgsqlConnection connection, PostgreSqlStoreOptions options, string database, ILogger logger, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);
        await PostgreSqlSchema.TakeTurnAsync(connection, cancellationToken);
        if (await VersionAsync(connection, options.Schema, database, cancellationToken) != 0) return;
        await PostgreSqlSchema.EnterAsync(connection, options.Schema, cancellationToken);
        foreach (var file in s_files) await PostgreSqlSchema.RunFileAsync(connection, file, cancellationToken);
        if (options.Layout == PostgreSqlLayout.Citus) await PostgreSqlSchema.RunFileAsync(connection, "distributed/citus.sql", cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        Log.Migrated(logger, options.Schema, 0, Version);
    }

    private static async Task CheckCitusAsync(NpgsqlConnection connection, string database, CancellationToken cancellationToken)
    {
        var version = await PostgreSqlSchema.ExecuteAsync(connection, "SELECT extversion FROM pg_extension WHERE extname = 'citus'", cancellationToken) as string;
        if (version is null)
        {
            throw new PostgreSqlStoreException(
                $"{database} has no extension citus, and Layout is {PostgreSqlLayout.Citus}. Connect to the coordinator of a Citus cluster, or set Layout "
                + $"to {PostgreSqlLayout.OneMachine} or {PostgreSqlLayout.CitusReady}.");
        }

        if (!int.TryParse(version.Split('.', '-')[0], CultureInfo.InvariantCulture, out var major) || major < OldestCitus)
            throw new PostgreSqlStoreException($"{database} has Citus {version}; the store needs {OldestCitus} or later.");
    }

    private static async Task CheckDistributionAsync(NpgsqlConnection connection, string schema, string database, CancellationToken cancellationToken)
    {
        // Together with those of another column, or of other places.
        const string Undistributed = """
            SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_catalog.pg_class c
            LEFT JOIN pg_dist_partition p ON p.logicalrelid = c.oid
            WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1) AND c.relkind IN ('r', 'p')
                AND c.relname LIKE 'to\_device\_%' AND c.relname <> 'to_device_distribution' AND (
                    p.partmethod IS DISTINCT FROM 'h' OR column_to_column_name(p.logicalrelid, p.partkey) <> 'bucket' OR p.colocationid <> (
                        SELECT d.colocationid FROM pg_dist_partition d WHERE d.logicalrelid = format('%I.to_device_device', $1)::regclass))
            """;
        if (await PostgreSqlSchema.ExecuteAsync(connection, Undistributed, cancellationToken, schema) is string tables)
        {
            throw new PostgreSqlStoreException(
                $"The schema {schema} in {database} has tables that are not distributed by their buckets, all in the same places: {tables}. Run citus.sql of "
                + $"the package's folder schema/distributed with search_path set to {schema}, or set Layout to {PostgreSqlLayout.CitusReady}.");
        }
    }

    /// <summary>The tables' version, 0 when there are none.</summary>
    private static async Task<int> VersionAsync(NpgsqlConnection connection, string schema, string database, CancellationToken cancellationToken)
    {
        if (!await PostgreSqlSchema.HasTableAsync(connection, schema, VersionTable, cancellationToken)) return 0;

        var version = Convert.ToInt32(
            await PostgreSqlSchema.ExecuteAsync(
                connection, $"SELECT coalesce(max(version), 0) FROM {PostgreSqlSchema.Quote(schema)}.{VersionTable}", cancellationToken),
            CultureInfo.InvariantCulture);
        return version <= Version ? version : throw new PostgreSqlStoreException(
            $"The schema {schema} in {database} has version {version}; this version of Matrix.ToDevice.PostgreSql knows up to {Version}. "
            + "A newer one has made it: use that, or restore a backup.");
    }
}
