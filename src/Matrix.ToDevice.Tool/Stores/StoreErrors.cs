using System.Net.Sockets;
using Microsoft.Data.Sqlite;
using Npgsql;
using SQLitePCL;

namespace Matrix.ToDevice.Tool;

/// <summary>What an error of a database means for an operator, in one line and without secrets.</summary>
internal static class StoreErrors
{
    /// <summary>Null for what is no error of a store.</summary>
    public static ToolException? Explain(Exception exception, string name) => exception switch
    {
        ToolException known => known,
        SqliteStoreException or PostgreSqlStoreException => ToolException.Unusable(exception.Message, exception),
        SqliteException sqlite => ToolException.Unusable(Explain(sqlite, name), exception),
        PostgresException postgres => ToolException.Unusable(Explain(postgres, name), exception),
        NpgsqlException { InnerException: TimeoutException } or TimeoutException => ToolException.Unusable($"{name} did not answer in time.", exception),
        NpgsqlException or SocketException => ToolException.Unusable(
            $"{name} cannot be reached. Check Host and Port, and that PostgreSQL is running. ({exception.Message})", exception),
        _ => null,
    };

    private static string Explain(SqliteException exception, string name) => exception.SqliteErrorCode switch
    {
        raw.SQLITE_BUSY or raw.SQLITE_LOCKED => $"{name} is locked by another program. End that, and try again.",
        raw.SQLITE_CORRUPT => $"{name} is damaged. Stop the server and restore a backup.",
        raw.SQLITE_NOTADB => $"{name} is not a SQLite database. Name the file of a store.",
        raw.SQLITE_CANTOPEN or raw.SQLITE_PERM or raw.SQLITE_AUTH => $"{name} cannot be opened. Check that it exists, and that this user may read it.",
        raw.SQLITE_READONLY => $"{name} or its folder is read-only for this user. Run this as the server's user.",
        raw.SQLITE_FULL => $"The disk that holds {name} is full. Free some space, and try again; nothing was changed.",
        raw.SQLITE_IOERR => $"Reading or writing {name} failed. Check the disk.",
        _ => $"{name} cannot be used: {exception.Message}",
    };

    private static string Explain(PostgresException exception, string name) => exception.SqlState switch
    {
        PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification =>
            $"PostgreSQL refuses this user or password for {name}. Check Username and Password, and the server's pg_hba.conf.",
        PostgresErrorCodes.InvalidCatalogName => $"There is no such database: {name}. Name another one.",
        PostgresErrorCodes.InsufficientPrivilege => $"The user lacks rights in {name}: {exception.MessageText}. Use the server's own user.",
        PostgresErrorCodes.LockNotAvailable => $"The tables of {name} are in use. Stop the hosts on it, and try again; nothing was changed.",
        PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown =>
            $"{name} is starting or stopping. Try again.",
        PostgresErrorCodes.DiskFull => $"The disk of {name} is full. Free some space, and try again; nothing was changed.",
        PostgresErrorCodes.DataCorrupted or PostgresErrorCodes.IndexCorrupted => $"{name} is damaged: {exception.MessageText}. Restore a backup.",
        _ => $"{name} cannot be used: {exception.MessageText} ({exception.SqlState})",
    };
}
