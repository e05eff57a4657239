using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Matrix.ToDevice.Tool;

/// <summary>Opens the file of a SQLite store and leaves everything as it is: what is none is found out before SQLite may make a file beside it.</summary>
internal static class SqliteOpening
{
    public const int SchemaVersion = 5;

    private static readonly byte[] s_header = "SQLite format 3\0"u8.ToArray();

    /// <summary>Opens it for reading.</summary>
    /// <exception cref="ToolException">It is no store of this version.</exception>
    public static SqliteConnection Read(string path) => Read(path, out _);

    /// <inheritdoc cref="Read(string)"/>
    /// <param name="path">The file.</param>
    /// <param name="asItStands">Whether it is read without a lock and without a log: nobody may write to it meanwhile.</param>
    public static SqliteConnection Read(string path, out bool asItStands)
    {
        RequireCurrent(path, FindVersion(path));
        asItStands = !HasLog(path);
        var connection = asItStands ? ConnectAsItStands(path) : ConnectBeside(path);
        try
        {
            // What the log holds counts too.
            RequireCurrent(path, Version(connection));
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Opens it for writing. Its lock is the caller's.</summary>
    public static SqliteConnection Write(string path)
    {
        RequireCurrent(path, FindVersion(path));
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = SqliteOpenMode.ReadWrite,
            Pooling = false,
            DefaultTimeout = 5,
        }.ToString());
        connection.Open();
        return connection;
    }

    /// <summary>The version of the schema; 0 when there are no tables of ours, null when there is no file.</summary>
    /// <exception cref="ToolException">It is no SQLite file, or cannot be read.</exception>
    public static int? FindVersion(string path)
    {
        if (!Exists(path)) return null;
        try
        {
            using var connection = ConnectAsItStands(path);
            return Version(connection);
        }
        catch (SqliteException) when (HasLog(path) || StoreLock.IsHeld(path) == true)
        {
            // A server was just writing to it, or was killed while it copied its log: with that, the file is whole.
            using var connection = ConnectBeside(path);
            return Version(connection);
        }
        catch (SqliteException exception)
        {
            throw StoreErrors.Explain(exception, path)!;
        }
    }

    /// <exception cref="ToolException">It is no store of this version.</exception>
    public static void RequireCurrent(string path, int? version)
    {
        if (version == SchemaVersion) return;
        throw ToolException.Unusable(version switch
        {
            null => $"There is no file {path}. Name the file of a store.",
            0 => $"{path} is a SQLite file, but no store: it has no tables of Matrix.ToDevice. Name another file.",
            > SchemaVersion => string.Create(
                CultureInfo.InvariantCulture, $"{path} has schema version {version}, and this tool knows {SchemaVersion}: a newer one has written it. Use the tool of that version."),
            _ => string.Create(
                CultureInfo.InvariantCulture, $"{path} has schema version {version}, and this tool knows {SchemaVersion}. Stop the server, and run matrix-to-device migrate."),
        });
    }

    /// <summary>Whether there is a log beside it: a server has it open, or was killed.</summary>
    public static bool HasLog(string path) => File.Exists(path + "-wal");

    /// <summary>False when there is none.</summary>
    private static bool Exists(string path)
    {
        if (Directory.Exists(path)) throw ToolException.Unusable($"{path} is a folder. Name the file of a store.");
        if (!File.Exists(path)) return false;
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var header = new byte[s_header.Length];
            var length = file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false);
            if (length == 0) throw ToolException.Unusable($"{path} is empty. Name the file of a store.");
            if (!header.AsSpan().SequenceEqual(s_header)) throw ToolException.Unusable($"{path} is not a SQLite database. Name the file of a store.");
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw ToolException.Unusable($"{path} cannot be read. Check owner and permissions.", exception);
        }
    }

    /// <summary>As the file is, without its log: nothing is made beside it. While no server has it open, it is complete by itself.</summary>
    private static SqliteConnection ConnectAsItStands(string path) =>
        Open($"file:{Uri.EscapeDataString(path).Replace("%2F", "/", StringComparison.Ordinal)}?immutable=1");

    /// <summary>With its log, beside a server or behind one that was killed.</summary>
    private static SqliteConnection ConnectBeside(string path) => Open(path);

    private static SqliteConnection Open(string dataSource)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = dataSource,
            Mode = SqliteOpenMode.ReadOnly,
            Pooling = false,
            DefaultTimeout = 5,
        }.ToString());
        try
        {
            connection.Open();
            SqliteQueries.Execute(connection, "PRAGMA busy_timeout = 5000; PRAGMA query_only = 1;");
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static int Version(SqliteConnection connection)
    {
        if (SqliteQueries.Number(connection, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'to_device_schema'") == 0) return 0;
        return (int)SqliteQueries.Number(connection, "SELECT coalesce(max(version), 0) FROM to_device_schema");
    }
}
