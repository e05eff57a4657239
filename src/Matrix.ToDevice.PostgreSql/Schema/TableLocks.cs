using System.Globalization;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>Takes all tables for a change of them, while hosts of an earlier version use them.</summary>
internal static class TableLocks
{
    // In the order in which commits come to them. What comes in another order can wait for one of them while the next is waited
    // for here: the database would end the one or the other, so this wait is over before it looks.
    private const string Tables = """
        SELECT string_agg(format('%I.%I', n.nspname, c.relname), ', ' ORDER BY t.place)
        FROM unnest(ARRAY['device', 'removals', 'transaction', 'message', 'destination', 'edu', 'lease']) WITH ORDINALITY AS t (name, place)
        JOIN pg_catalog.pg_class c ON c.relname = 'to_device_' || t.name
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1
        """;

    private const string ShorterThanDeadlocks = """
        SELECT set_config('statement_timeout', greatest(setting::integer / 2, 1)::text, true) FROM pg_settings WHERE name = 'deadlock_timeout'
        """;

    /// <summary>Takes them until the end of the transaction.</summary>
    /// <exception cref="PostgresException">Somebody had one for too long; see <see cref="WasNotFree"/>.</exception>
    public static async Task TakeAsync(NpgsqlConnection connection, string schema, CancellationToken cancellationToken)
    {
        var tables = await ExecuteAsync(connection, Tables, cancellationToken, schema);
        if (tables is not string) return;

        // The first one stops a vacuum, which gives way to those who wait for long enough, and keeps others from beginning. Hosts
        // do not mind it.
        await ExecuteAsync(connection, "SET LOCAL lock_timeout = '5s'", cancellationToken);
        await ExecuteAsync(connection, $"LOCK TABLE {tables} IN SHARE UPDATE EXCLUSIVE MODE", cancellationToken);
        await ExecuteAsync(connection, ShorterThanDeadlocks, cancellationToken);
        await ExecuteAsync(connection, $"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE", cancellationToken);
        await ExecuteAsync(connection, "SET LOCAL statement_timeout = 0", cancellationToken);
    }

    /// <summary>Whether somebody had a table for too long.</summary>
    public static bool WasNotFree(PostgresException exception) => exception.SqlState
        is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.QueryCanceled or PostgresErrorCodes.DeadlockDetected;

    private static async Task<object?> ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken, string? parameter = null)
    {
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Made of constants and quoted names.
        command.CommandText = sql;
#pragma warning restore CA2100
        if (parameter is not null) command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = parameter });
        return await command.ExecuteScalarAsync(cancellationToken);
    }
}
