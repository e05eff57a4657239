using Microsoft.Data.Sqlite;

namespace LocalHomeserver;

/// <summary>Keys in a SQLite file, or in memory. One connection, one caller at a time, as in <see cref="SqliteAccountStore"/>.</summary>
internal sealed class SqliteKeyDatabase : IKeyDatabase, IDisposable
{
    private const string Settings = """
        PRAGMA local_homeserver.journal_mode = WAL;
        PRAGMA local_homeserver.synchronous = FULL;
        """;

    private readonly SemaphoreSlim _oneAtATime = new(1);
    private readonly SqliteConnection _connection = new("Data Source=:memory:;Pooling=False");

    private SqliteKeyDatabase(string file)
    {
        try
        {
            _connection.Open();
            using var attach = _connection.CreateCommand();
            attach.CommandText = "ATTACH $1 AS local_homeserver";
            attach.Parameters.AddWithValue("$1", file);
            attach.ExecuteNonQuery();
            using var schema = _connection.CreateCommand();
            schema.CommandText = Settings + KeySchema.Tables;
            schema.ExecuteNonQuery();
        }
        catch (SqliteException e)
        {
            _connection.Dispose();
            throw SettingsException.Of(file, e);
        }
    }

    public bool IsShared => false;

    public static SqliteKeyDatabase InFile(string path) => new(path);

    public static SqliteKeyDatabase InMemory() => new(":memory:");

    public async ValueTask<T> InOneStepAsync<T>(Func<KeyStatements, Task<T>> work, CancellationToken cancellationToken)
    {
        await _oneAtATime.WaitAsync(cancellationToken);
        try
        {
            await using var transaction = _connection.BeginTransaction();
            var result = await work(new KeyStatements(_connection, cancellationToken));
            transaction.Commit();
            return result;
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    public async ValueTask<T> ReadAsync<T>(Func<KeyStatements, Task<T>> work, CancellationToken cancellationToken)
    {
        await _oneAtATime.WaitAsync(cancellationToken);
        try
        {
            return await work(new KeyStatements(_connection, cancellationToken));
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    public void Dispose()
    {
        // What is under way ends first: SQLite's connection is not for two threads, not even to close it.
        _oneAtATime.Wait();
        _connection.Dispose();
        _oneAtATime.Dispose();
    }
}
