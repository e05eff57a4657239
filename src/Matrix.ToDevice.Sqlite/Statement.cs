using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Matrix.ToDevice;

/// <summary>
/// A prepared statement, used directly: the parameters of an ADO.NET command are objects, and a send to 250 devices has
/// 1,750 of them.
/// </summary>
internal sealed class Statement : IDisposable
{
    private readonly sqlite3 _database;
    private readonly sqlite3_stmt _statement;
    private string?[] _texts = [];
    private (byte[] Bytes, string Text)[] _read = [];
    private int _bound;

    public Statement(SqliteConnection connection, string sql)
    {
        _database = connection.Handle!;
        Check(raw.sqlite3_prepare_v3(_database, sql, raw.SQLITE_PREPARE_PERSISTENT, out _statement));
    }

    /// <summary>Binds the next parameter.</summary>
    public Statement Bind(long value)
    {
        Check(raw.sqlite3_bind_int64(_statement, ++_bound, value));
        return this;
    }

    /// <inheritdoc cref="Bind(long)"/>
    public Statement Bind(string text)
    {
        // An empty span would be bound as NULL.
        if (text.Length == 0)
        {
            Check(raw.sqlite3_bind_text(_statement, ++_bound, text));
            return this;
        }

        Span<byte> bytes = stackalloc byte[256];
        if (text.Length > bytes.Length / 3) bytes = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        Check(raw.sqlite3_bind_text(_statement, ++_bound, bytes[..Encoding.UTF8.GetBytes(text, bytes)]));
        return this;
    }

    /// <summary>Binds the next parameter, unless it is still bound to this very string. For a parameter that is always bound in this way.</summary>
    public Statement BindRepeating(string text)
    {
        if (_texts.Length <= _bound + 1) Array.Resize(ref _texts, _bound + 2);
        ref var last = ref _texts[_bound + 1];
        if (ReferenceEquals(last, text))
        {
            _bound++;
            return this;
        }

        last = text;
        return Bind(text);
    }

    /// <inheritdoc cref="Bind(long)"/>
    public Statement Bind(ReadOnlySpan<byte> blob)
    {
        Check(raw.sqlite3_bind_blob(_statement, ++_bound, blob));
        return this;
    }

    /// <summary>Runs to the end; for statements without rows. The result is the number of rows changed.</summary>
    public int Execute()
    {
        try
        {
            Step();
            return raw.sqlite3_changes(_database);
        }
        finally
        {
            Reset();
        }
    }

    /// <summary>Goes to the next row; false behind the last.</summary>
    public bool Step()
    {
        var result = raw.sqlite3_step(_statement);
        if (result == raw.SQLITE_ROW) return true;
        if (result != raw.SQLITE_DONE) SqliteException.ThrowExceptionForRC(result, _database);
        return false;
    }

    public long Int64(int column) => raw.sqlite3_column_int64(_statement, column);

    public string Text(int column) => raw.sqlite3_column_text(_statement, column).utf8_to_string() ?? "";

    /// <summary>The text of a column that has the same one in many rows: the very string of the row before, when that had these bytes.</summary>
    public string RepeatingText(int column)
    {
        if (_read.Length <= column) Array.Resize(ref _read, column + 1);
        ref var last = ref _read[column];
        var bytes = Blob(column);
        if (last.Text is null || !bytes.SequenceEqual(last.Bytes)) last = (bytes.ToArray(), Encoding.UTF8.GetString(bytes));
        return last.Text;
    }

    /// <summary>How many bytes the text or content of a column has.</summary>
    public int Bytes(int column) => raw.sqlite3_column_bytes(_statement, column);

    /// <summary>Valid until the next step.</summary>
    public ReadOnlySpan<byte> Blob(int column) => raw.sqlite3_column_blob(_statement, column);

    /// <summary>Makes it ready for the next use.</summary>
    public void Reset()
    {
        // Its result repeats the error of the last step, which has been thrown.
        _ = raw.sqlite3_reset(_statement);
        _bound = 0;
    }

    public void Dispose() => _statement.Dispose();

    private void Check(int result)
    {
        if (result != raw.SQLITE_OK) SqliteException.ThrowExceptionForRC(result, _database);
    }
}
