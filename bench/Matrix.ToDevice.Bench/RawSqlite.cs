using System.Diagnostics;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Matrix.ToDevice.Bench;

/// <summary>What a send is compared with.</summary>
internal enum RawKind
{
    /// <summary>The ceiling: the store's schema and batch size, one thread, no queue, nobody to tell.</summary>
    Batches,

    /// <summary>The store's schema, one transaction for each request.</summary>
    OneByOne,

    /// <summary>In batches, but what one writes first: default pragmas but for the log and its safety, and text keys.</summary>
    TextKeys,

    /// <summary>No database: the same bytes at the end of a file, and an fsync for each batch.</summary>
    AppendOnly,
}

/// <summary>Writes sends straight into SQLite or a file.</summary>
internal static class RawSqlite
{
    public static Figures Measure(string path, Body body, int requests, int senders, RawKind kind, string? vfs)
    {
        // What waits at once, senders can make it: that is the batch.
        var batch = kind == RawKind.OneByOne ? 1 : Math.Min(senders, 256);
        using var target = kind == RawKind.AppendOnly ? (ITarget)new AppendTarget(path) : new SqliteTarget(path, kind == RawKind.TextKeys, vfs);
        var latencies = new long[requests];
        var start = Stopwatch.GetTimestamp();
        for (var done = 0; done < requests;)
        {
            var began = Stopwatch.GetTimestamp();
            var end = Math.Min(done + batch, requests);
            target.Begin();
            for (var i = done; i < end; i++) target.Write(body, i);
            target.Commit();
            // With one commit for each request, a sender waits for those of all others.
            var waits = kind == RawKind.OneByOne ? senders : 1;
            for (; done < end; done++) latencies[done] = Stopwatch.GetElapsedTime(began).Ticks * waits;
        }

        return Figures.Of(latencies, Stopwatch.GetElapsedTime(start));
    }

    private interface ITarget : IDisposable
    {
        void Begin();
        void Write(Body body, int number);
        void Commit();
    }

    private sealed class AppendTarget(string path) : ITarget
    {
        private readonly FileStream _file = new(path, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20);

        public void Begin()
        {
        }

        public void Write(Body body, int number)
        {
            for (var i = 0; i < body.Targets; i++) _file.Write(body.Content);
        }

        public void Commit() => _file.Flush(flushToDisk: true);

        public void Dispose() => _file.Dispose();
    }

    private sealed class SqliteTarget : ITarget
    {
        private const int MaxRecent = 8192;

        private readonly SqliteConnection _connection;
        private readonly bool _textKeys;
        private readonly sqlite3_stmt _begin, _commit, _transaction, _message;
        private readonly sqlite3_stmt? _find, _move, _clear;
        private readonly long[] _sequences = new long[Body.Recipients];
        private readonly byte[] _key = new byte[16];
        private readonly HashSet<Guid> _recent = [];

        public SqliteTarget(string path, bool textKeys, string? vfs)
        {
            _textKeys = textKeys;
            _connection = new SqliteConnection(TemporaryFolder.ConnectionString(path, vfs));
            _connection.Open();
            Execute(textKeys
                ? """
                    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                    CREATE TABLE txn (user_id TEXT, device_id TEXT, event_type TEXT, txn_id TEXT, last_used INTEGER,
                        PRIMARY KEY (user_id, device_id, event_type, txn_id));
                    CREATE INDEX txn_by_age ON txn (last_used);
                    CREATE TABLE message (user_id TEXT, device_id TEXT, sequence INTEGER, send_id INTEGER, sender TEXT, event_type TEXT, content TEXT,
                        PRIMARY KEY (user_id, device_id, sequence));
                    """
                : """
                    PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 2048;
                    PRAGMA journal_size_limit = 33554432; PRAGMA cache_size = -65536;
                    CREATE TABLE txn (device INTEGER, key BLOB, last_used INTEGER, PRIMARY KEY (device, key)) WITHOUT ROWID;
                    CREATE INDEX txn_by_age ON txn (last_used);
                    CREATE TABLE recent_txn (id INTEGER PRIMARY KEY, device INTEGER, key BLOB, last_used INTEGER);
                    CREATE TABLE message (id INTEGER PRIMARY KEY, device INTEGER, sequence INTEGER, send_id INTEGER, sender TEXT, event_type TEXT, content BLOB);
                    CREATE UNIQUE INDEX message_by_device ON message (device, sequence);
                    """);
            _begin = Prepare("BEGIN IMMEDIATE");
            _commit = Prepare("COMMIT");
            _transaction = Prepare(textKeys
                ? "INSERT OR IGNORE INTO txn VALUES ('@sender:example.org', 'SENDER', 'm.room.encrypted', ?1, ?2)"
                : "INSERT INTO recent_txn (device, key, last_used) VALUES (1, ?1, ?2)");
            if (!textKeys)
            {
                _find = Prepare("UPDATE txn SET last_used = ?2 WHERE device = 1 AND key = ?1");
                _move = Prepare("INSERT INTO txn SELECT device, key, last_used FROM recent_txn ORDER BY device, key");
                _clear = Prepare("DELETE FROM recent_txn");
            }

            _message = Prepare(textKeys
                ? "INSERT INTO message VALUES (?1, 'ABCDEFGHIJ', ?2, ?3, '@sender:example.org', 'm.room.encrypted', ?4)"
                : "INSERT INTO message (device, sequence, send_id, sender, event_type, content) VALUES (?1, ?2, ?3, '@sender:example.org', 'm.room.encrypted', ?4)");
        }

        public void Begin() => Run(_begin);

        public void Write(Body body, int number)
        {
            // Clients make their transaction IDs of random numbers, or of times that have little to do with each other.
            new Random(number).NextBytes(_key);
            if (_textKeys) raw.sqlite3_bind_text(_transaction, 1, new Guid(_key).ToString());
            else AddRecent(number);

            raw.sqlite3_bind_int64(_transaction, 2, number);
            Run(_transaction);
            for (var i = 0; i < body.Targets; i++)
            {
                var recipient = (number * 7 + i) % Body.Recipients;
                if (_textKeys) raw.sqlite3_bind_text(_message, 1, Body.UserId(recipient));
                else raw.sqlite3_bind_int64(_message, 1, recipient);
                raw.sqlite3_bind_int64(_message, 2, ++_sequences[recipient]);
                raw.sqlite3_bind_int64(_message, 3, number);
                raw.sqlite3_bind_blob(_message, 4, body.Content);
                Run(_message);
            }
        }

        public void Commit() => Run(_commit);

        public void Dispose()
        {
            foreach (var statement in (ReadOnlySpan<sqlite3_stmt?>)[_begin, _commit, _transaction, _message, _find, _move, _clear]) statement?.Dispose();
            _connection.Dispose();
        }

        /// <summary>As the store does it: looked up in memory and in the table, appended, and moved by thousands.</summary>
        private void AddRecent(int number)
        {
            if (_recent.Count >= MaxRecent)
            {
                Run(_move!);
                Run(_clear!);
                _recent.Clear();
            }

            _recent.Add(new Guid(_key));
            raw.sqlite3_bind_blob(_find!, 1, _key);
            raw.sqlite3_bind_int64(_find!, 2, number);
            Run(_find!);
            raw.sqlite3_bind_blob(_transaction, 1, _key);
        }

        private sqlite3_stmt Prepare(string sql)
        {
            Check(raw.sqlite3_prepare_v2(_connection.Handle, sql, out var statement));
            return statement;
        }

        private void Execute(string sql)
        {
            using var command = _connection.CreateCommand();
            command.CommandText = sql;
            command.ExecuteNonQuery();
        }

        private void Run(sqlite3_stmt statement)
        {
            Check(raw.sqlite3_step(statement));
            raw.sqlite3_reset(statement);
        }

        private void Check(int result)
        {
            if (result is not (raw.SQLITE_OK or raw.SQLITE_DONE)) SqliteException.ThrowExceptionForRC(result, _connection.Handle);
        }
    }
}
