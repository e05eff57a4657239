using System.Text.Json;
using Matrix.ToDevice;
using Microsoft.Data.Sqlite;

namespace LocalHomeserver;

/// <summary>Accounts in a SQLite file. One connection, one caller at a time: a server for trials needs no more.</summary>
internal sealed class SqliteAccountStore : IAccountStore, IDisposable
{
    // A device has its current tokens, those that a refresh gave as long as the client has not shown that it has them
    // (next), and those before the last refresh, with which requests may still be under way (previous).
    private const string Schema = """
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        CREATE TABLE IF NOT EXISTS user (user_id TEXT PRIMARY KEY, password_hash TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS device (
            user_id TEXT, device_id TEXT, display_name TEXT NOT NULL, last_seen_ip TEXT NOT NULL, last_seen_ts INTEGER NOT NULL,
            PRIMARY KEY (user_id, device_id));
        CREATE TABLE IF NOT EXISTS token (
            access TEXT PRIMARY KEY, refresh TEXT UNIQUE, expires_at INTEGER, user_id TEXT NOT NULL, device_id TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('previous', 'current', 'next')));
        CREATE INDEX IF NOT EXISTS token_by_device ON token (user_id, device_id);
        CREATE TABLE IF NOT EXISTS filter (user_id TEXT, filter_id TEXT, filter TEXT NOT NULL, PRIMARY KEY (user_id, filter_id));
        CREATE TABLE IF NOT EXISTS signing_key (only INTEGER PRIMARY KEY CHECK (only = 1), key_id TEXT NOT NULL, seed BLOB NOT NULL);
        """;

    private const string ThisDevice = "user_id = $1 AND device_id = $2";

    private readonly Lock _lock = new();
    private readonly SqliteConnection _connection;

    // What is read often is prepared once. None of it is read in a transaction.
    private readonly Dictionary<string, SqliteCommand> _queries = [];

    public SqliteAccountStore(string path)
    {
        _connection = new SqliteConnection($"Data Source={path};Pooling=False");
        try
        {
            _connection.Open();
            Execute(Schema);
        }
        catch (SqliteException e)
        {
            _connection.Dispose();
            throw SettingsException.Of(path, e);
        }
    }

    public ValueTask<bool> AddUserAsync(string userId, string passwordHash, CancellationToken cancellationToken)
    {
        lock (_lock) return new(Execute("INSERT OR IGNORE INTO user VALUES ($1, $2)", userId, passwordHash) == 1);
    }

    public ValueTask<string?> FindPasswordHashAsync(string userId, CancellationToken cancellationToken)
    {
        lock (_lock) return new(Query("SELECT password_hash FROM user WHERE user_id = $1", row => row.GetString(0), userId).SingleOrDefault());
    }

    public ValueTask<DeviceIds> FindDeviceIdsAsync(IReadOnlyCollection<string> userIds, CancellationToken cancellationToken)
    {
        // SQLite takes no list, but reads one that is written as JSON.
        var list = JsonSerializer.SerializeToUtf8Bytes([.. userIds], MatrixJson.Default.StringArray);
        lock (_lock)
        {
            return new(new DeviceIds(Query(
                "SELECT user_id, device_id FROM device WHERE user_id IN (SELECT value FROM json_each(CAST($1 AS TEXT)))",
                row => new DeviceAddress(row.GetString(0), row.GetString(1)),
                list)));
        }
    }

    public ValueTask<IReadOnlyList<Device>> ListDevicesAsync(string userId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return new(Query(
                "SELECT device_id, display_name, last_seen_ip, last_seen_ts FROM device WHERE user_id = $1 ORDER BY rowid",
                row => new Device(row.GetString(0), row.GetString(1), row.GetString(2), row.GetInt64(3)),
                userId));
        }
    }

    public ValueTask SaveDeviceAsync(string userId, Device device, Tokens tokens, CancellationToken cancellationToken) => InOneStep(() =>
    {
        Execute($"DELETE FROM token WHERE {ThisDevice}", userId, device.DeviceId);
        Execute(
            "INSERT OR REPLACE INTO device VALUES ($1, $2, $3, $4, $5)",
            userId, device.DeviceId, device.DisplayName, device.LastSeenIp, device.LastSeenTs);
        Add(new DeviceAddress(userId, device.DeviceId), tokens, "current");
    });

    public ValueTask<bool> RenameDeviceAsync(DeviceAddress device, string displayName, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return new(Execute(
                $"UPDATE device SET display_name = $3 WHERE {ThisDevice}",
                device.UserId, device.DeviceId, displayName) == 1);
        }
    }

    public ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) => InOneStep(() =>
    {
        Execute($"DELETE FROM token WHERE {ThisDevice}", device.UserId, device.DeviceId);
        Execute($"DELETE FROM device WHERE {ThisDevice}", device.UserId, device.DeviceId);
    });

    public ValueTask<Session?> FindSessionAsync(string accessToken, CancellationToken cancellationToken)
    {
        Session? session = null;
        lock (_lock)
        {
            if (Find("access", accessToken) is { } found)
            {
                if (found.IsNext) UseNext(found.Session.Device);
                session = found.Session;
            }
        }

        return new(session);
    }

    public ValueTask<DeviceAddress?> RefreshAsync(string refreshToken, Tokens next, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (Find("refresh", refreshToken) is not { } found) return default;

            using var transaction = _connection.BeginTransaction();
            var device = found.Session.Device;
            if (found.IsNext) UseNext(device);
            Execute($"DELETE FROM token WHERE {ThisDevice} AND state = 'next'", device.UserId, device.DeviceId);
            Add(device, next, "next");
            transaction.Commit();
            return new(device);
        }
    }

    public ValueTask<SigningKey> GetOrAddSigningKeyAsync(SigningKey candidate, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Execute("INSERT OR IGNORE INTO signing_key VALUES (1, $1, $2)", candidate.KeyId, candidate.Seed.ToArray());
            return new(Query(
                "SELECT key_id, seed FROM signing_key", row => new SigningKey(row.GetString(0), row.GetFieldValue<byte[]>(1))).Single());
        }
    }

    public ValueTask SaveFilterAsync(string userId, string filterId, string filter, CancellationToken cancellationToken)
    {
        lock (_lock) Execute("INSERT OR REPLACE INTO filter VALUES ($1, $2, $3)", userId, filterId, filter);
        return default;
    }

    public ValueTask<string?> FindFilterAsync(string userId, string filterId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return new(Query(
                "SELECT filter FROM filter WHERE user_id = $1 AND filter_id = $2", row => row.GetString(0), userId, filterId).SingleOrDefault());
        }
    }

    public void Dispose() => _connection.Dispose();

    private void UseNext(DeviceAddress device) => Execute(
        $"""
        DELETE FROM token WHERE {ThisDevice} AND state = 'previous';
        UPDATE token SET refresh = iif(state = 'current', NULL, refresh), state = iif(state = 'current', 'previous', 'current')
        WHERE {ThisDevice};
        """,
        device.UserId, device.DeviceId);

    private void Add(DeviceAddress device, Tokens tokens, string state) => Execute(
        "INSERT INTO token VALUES ($1, $2, $3, $4, $5, $6)",
        tokens.Access, tokens.Refresh, tokens.ExpiresAt?.ToUnixTimeMilliseconds(), device.UserId, device.DeviceId, state);

    private (Session Session, bool IsNext)? Find(string column, string token)
    {
        var found = Query(
            $"SELECT user_id, device_id, expires_at, state = 'next' FROM token WHERE {column} = $1",
            row => (
                new Session(
                    new DeviceAddress(row.GetString(0), row.GetString(1)),
                    row.IsDBNull(2) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(2))),
                row.GetBoolean(3)),
            token);
        return found is [var one] ? one : null;
    }

    private ValueTask InOneStep(Action change)
    {
        lock (_lock)
        {
            using var transaction = _connection.BeginTransaction();
            change();
            transaction.Commit();
        }

        return default;
    }

    private int Execute(string sql, params ReadOnlySpan<object?> values)
    {
        using var command = Command(sql, values);
        return command.ExecuteNonQuery();
    }

    private List<T> Query<T>(string sql, Func<SqliteDataReader, T> read, params ReadOnlySpan<object?> values)
    {
        var command = _queries.GetValueOrDefault(sql) ?? (_queries[sql] = Command(sql, values));
        for (var i = 0; i < values.Length; i++) command.Parameters[i].Value = values[i];
        using var rows = command.ExecuteReader();
        var found = new List<T>();
        while (rows.Read()) found.Add(read(rows));
        return found;
    }

    private SqliteCommand Command(string sql, ReadOnlySpan<object?> values)
    {
        var command = _connection.CreateCommand();
#pragma warning disable CA2100 // Made of constants; what comes from outside is a parameter.
        command.CommandText = sql;
#pragma warning restore CA2100
        for (var i = 0; i < values.Length; i++) command.Parameters.AddWithValue($"${i + 1}", values[i] ?? DBNull.Value);
        return command;
    }
}
