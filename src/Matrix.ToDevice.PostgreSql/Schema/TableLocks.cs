using Npgsql;

namespace Matrix.ToDevice;

/// <summary>Takes the tables that an upgrade changes, while hosts of an earlier version use them.</summary>
internal static class TableLocks
{
    // What the upgrade from each version changes, and no other table: whoever uses several of these comes to the first one first,
    // so it holds none while it waits, and there is no deadlock. Where somebody else comes in another order (a dump), the database
    // would end the one or the other, so this wait is over before it looks.
    private static readonly string[][] s_tables =
    [
        [], ["device", "transaction", "message", "destination", "edu"], ["device", "message", "destination", "lease"], ["message"], ["message"],
    ];

    private const string ShorterThanDeadlocks = """
        SELECT set_config('statement_timeout', greatest(setting::integer / 2, 1)::text, true) FROM pg_settings WHERE name = 'deadlock_timeout'
        """;

    /// <summary>Takes them until the end of the transaction.</summary>
    /// <exception cref="PostgresException">Somebody had one for too long; see <see cref="WasNotFree"/>.</exception>
    public static async Task TakeAsync(NpgsqlConnection connection, string schema, int version, CancellationToken cancellationToken)
    {
        if (s_tables[version].Length == 0) return;

        var tables = string.Join(", ", s_tables[version].Select(table => $"{PostgreSqlSchema.Quote(schema)}.to_device_{table}"));
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

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Made of constants and a quoted name.
        command.CommandText = sql;
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
