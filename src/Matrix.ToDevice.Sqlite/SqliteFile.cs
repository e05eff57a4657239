using System.Globalization;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Matrix.ToDevice;

/// <summary>The database file: who may use it, how connections to it are set up, and what its errors mean.</summary>
internal sealed class SqliteFile : IDisposable
{
    private const int PageBytes = 16384, LongLog = 8;

    private readonly SqliteStoreOptions _options;
    private readonly string _connectionString;
    private readonly FileStream _lock;
    private SqliteConnection? _anchor;

    // A file that was made with another size keeps it.
    private int _pageBytes = PageBytes;

    /// <summary>Claims the file for this process.</summary>
    public SqliteFile(SqliteStoreOptions options)
    {
        _options = options;
        var connectionString = new SqliteConnectionStringBuilder(options.ConnectionString);
        // A file can have several names; this one is its own, so that its lock and its log are the same whatever name is used.
        Path = RealPath.Of(connectionString.DataSource);
        connectionString.DataSource = Path;
        connectionString.Pooling = false;
        connectionString.Cache = SqliteCacheMode.Private;
        _connectionString = connectionString.ToString();
        _lock = Claim(Path);
    }

    public string Path { get; }

    /// <summary>The size of the write-ahead log, in pages, from which on it is copied into the file.</summary>
    public int CheckpointPages => Math.Max(1, _options.CheckpointBytes / _pageBytes);

    /// <summary>
    /// A connection that stays open. When the last one closes, the next one reads the log back from the file, and would
    /// take a commit whose sync has failed for a good one.
    /// </summary>
    public SqliteConnection Anchor => _anchor ??= OpenWritable();

    public SqliteConnection OpenForWriting()
    {
        _ = Anchor;
        return OpenWritable();
    }

    public SqliteConnection OpenForReading() => Open("PRAGMA query_only = 1; PRAGMA cache_size = -8192;");

    /// <summary>
    /// Closes the last connection and leaves the log as it is, so that the next one reads it back and knows nothing of what
    /// had been copied into the file. To be called when the last commit in the log is a good one.
    /// </summary>
    public void ForgetCheckpoints()
    {
        _ = raw.sqlite3_db_config(Anchor.Handle, raw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, out _);
        Anchor.Dispose();
        _anchor = null;
    }

    /// <summary>
    /// Puts on the disk what an earlier process had only handed to the operating system when it was killed. SQLite has
    /// read it back from the log; a message that is shown now and lost with the power would come twice by its retry.
    /// </summary>
    public static void Settle(SqliteConnection connection)
    {
        // A checkpoint syncs the log first. That it does not fit into the file yet is no reason not to start.
        TryCheckpoint(connection.Handle!, out _);
    }

    /// <summary>Copies the log into the file, but for what a reader keeps it from.</summary>
    /// <param name="database">The connection.</param>
    /// <param name="pages">
    /// How many pages the log has. When all of them were copied and no reader needs them, the next commit begins it anew.
    /// </param>
    /// <returns>False: there is no room, or another program is at it. Nothing is lost, and it can be tried again.</returns>
    /// <exception cref="SqliteException">It failed: what was copied may not be on the disk.</exception>
    public static bool TryCheckpoint(sqlite3 database, out int pages)
    {
        var result = raw.sqlite3_wal_checkpoint_v2(database, "main", raw.SQLITE_CHECKPOINT_PASSIVE, out pages, out _);
        if ((result & 0xff) is raw.SQLITE_FULL or raw.SQLITE_BUSY) return false;
        SqliteException.ThrowExceptionForRC(result, database);
        return true;
    }

    /// <summary>What an error means for whoever runs the server.</summary>
    public SqliteStoreException Explain(Exception exception) => exception as SqliteStoreException ?? new SqliteStoreException(
        exception is not SqliteException sqlite
            ? $"The store in {Path} failed: {exception.Message}"
            : (sqlite.SqliteErrorCode switch
            {
                raw.SQLITE_FULL => $"The disk that holds {Path} is full. Nothing was lost; free some space.",
                raw.SQLITE_READONLY => $"{Path} or its folder is read-only for this process. Check owner and permissions.",
                raw.SQLITE_BUSY or raw.SQLITE_LOCKED => $"{Path} is locked by another program for longer than {_options.BusyTimeout}.",
                raw.SQLITE_CORRUPT => $"{Path} is damaged. Stop the server and restore a backup.",
                raw.SQLITE_NOTADB => $"{Path} is not a SQLite database.",
                raw.SQLITE_CANTOPEN => $"{Path} cannot be opened. Check that its folder exists and that this process may write to it.",
                raw.SQLITE_IOERR => $"Reading or writing {Path} failed. Check the disk.",
                _ => $"The store in {Path} failed.",
            }) + $" ({sqlite.Message})",
        exception);

    /// <summary>Finds out whether this process still has the file that others would find.</summary>
    /// <exception cref="SqliteStoreException">It has not.</exception>
    public void CheckClaim()
    {
        if (!File.Exists(Path)) throw new SqliteStoreException($"{Path} was deleted or moved while it is in use. Put it back, and restart.");
        try
        {
            using (new FileStream(Path + ".lock", FileMode.Open, FileAccess.ReadWrite, FileShare.None))
            {
            }
        }
        catch (FileNotFoundException)
        {
            // The one that this process has is no longer the one of that name.
        }
        catch (IOException)
        {
            return;
        }

        throw new SqliteStoreException($"{Path}.lock was deleted or replaced: another process could use the file at the same time. Restart.");
    }

    /// <summary>Says so when the log has grown far beyond its bound.</summary>
    public string? FindLongLog()
    {
        var log = new FileInfo(Path + "-wal");
        return log.Exists && log.Length > LongLog * (long)_options.CheckpointBytes
            ? $"The log of {Path} has {log.Length} bytes, and should begin anew at {_options.CheckpointBytes}: another program has been reading the file for long, "
                + "or the disk is full. End that program, or free some space."
            : null;
    }

    public void Dispose()
    {
        // The last connection to close writes the log back into the file.
        _anchor?.Dispose();
        _lock.Dispose();
    }

    private static FileStream Claim(string path)
    {
        var folder = System.IO.Path.GetDirectoryName(path)!;
        if (!Directory.Exists(folder))
            throw new SqliteStoreException($"The folder {folder} does not exist. Make it, or name another one in the connection string.");

        try
        {
            // The operating system gives the lock back when the process ends, however it ends.
            return new FileStream(path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new SqliteStoreException($"The folder {folder} is read-only for this process. Check owner and permissions.", exception);
        }
        catch (IOException exception)
        {
            throw new SqliteStoreException(
                $"{path} is in use by another process, or its lock file cannot be made ({exception.Message}). A SQLite store belongs "
                + "to one process; several hosts need a shared database.", exception);
        }
    }

    // The page size counts only while the file is empty. On macOS, an ordinary fsync does not reach the disk.
    private SqliteConnection OpenWritable() => Open(string.Create(CultureInfo.InvariantCulture, $"""
        PRAGMA page_size = {PageBytes};
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = {(_options.Durability == SqliteDurability.Normal ? "NORMAL" : "FULL")};
        PRAGMA fullfsync = 1;
        PRAGMA checkpoint_fullfsync = 1;
        PRAGMA wal_autocheckpoint = 0;
        PRAGMA journal_size_limit = {_options.CheckpointBytes};
        PRAGMA cache_size = -{_options.CacheBytes / 1024};
        """));

    private SqliteConnection Open(string settings)
    {
        var connection = new SqliteConnection(_connectionString);
        try
        {
            connection.Open();
            Execute(connection, string.Create(
                CultureInfo.InvariantCulture, $"PRAGMA busy_timeout = {(long)_options.BusyTimeout.TotalMilliseconds};"));
            Execute(connection, settings);
            _pageBytes = PageBytesOf(connection);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static int PageBytesOf(SqliteConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA page_size";
        return Convert.ToInt32(command.ExecuteScalar(), CultureInfo.InvariantCulture);
    }

    private static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Made of constants and numbers.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }
}
