using System.Text;
using Matrix.ToDevice;
using Npgsql;

namespace LocalHomeserver;

/// <summary>Accounts in PostgreSQL, in a schema of their own: several hosts on one database are one server.</summary>
internal sealed class PostgreSqlAccountStore : IAccountStore, IHostedService
{
    // Columns of bytes: clients choose device IDs and names, and PostgreSQL's text has no NUL. Hosts that start at the same
    // moment take turns. The states of a token are those of SqliteAccountStore.
    private const string Schema = """
        SELECT pg_advisory_xact_lock(hashtext('local_homeserver'));
        CREATE SCHEMA IF NOT EXISTS local_homeserver;
        CREATE TABLE IF NOT EXISTS local_homeserver.user (user_id bytea PRIMARY KEY, password_hash bytea NOT NULL);
        CREATE TABLE IF NOT EXISTS local_homeserver.device (
            user_id bytea, device_id bytea, display_name bytea NOT NULL, last_seen_ip bytea NOT NULL, last_seen_ts bigint NOT NULL,
            PRIMARY KEY (user_id, device_id));
        CREATE TABLE IF NOT EXISTS local_homeserver.token (
            access bytea PRIMARY KEY, refresh bytea UNIQUE, expires_at bigint, user_id bytea NOT NULL, device_id bytea NOT NULL,
            state text NOT NULL CHECK (state IN ('previous', 'current', 'next')));
        CREATE INDEX IF NOT EXISTS token_by_device ON local_homeserver.token (user_id, device_id);
        CREATE TABLE IF NOT EXISTS local_homeserver.filter (
            user_id bytea, filter_id bytea, filter bytea NOT NULL, PRIMARY KEY (user_id, filter_id));
        CREATE TABLE IF NOT EXISTS local_homeserver.signing_key (
            the_only_row boolean PRIMARY KEY DEFAULT true CHECK (the_only_row), key_id bytea NOT NULL, seed bytea NOT NULL);
        """;

    private const string ThisDevice = "user_id = $1 AND device_id = $2";

    private readonly NpgsqlDataSource _dataSource;
    private readonly PostgreSqlDevices _toDevice;
    private readonly SharedLookUp<DeviceIds> _deviceIds;
    private readonly SharedLookUp<Dictionary<string, Found>> _sessions;

    public PostgreSqlAccountStore(NpgsqlDataSource dataSource, PostgreSqlDevices toDevice)
    {
        (_dataSource, _toDevice) = (dataSource, toDevice);
        _deviceIds = new(async userIds => new(await QueryAsync(
            "SELECT user_id, device_id FROM local_homeserver.device WHERE user_id = ANY ($1)",
            row => new DeviceAddress(Text(row, 0), Text(row, 1)), CancellationToken.None, userIds)));
        _sessions = new(async tokens => new(await QueryAsync(
            $"SELECT {Found.Columns}, access FROM local_homeserver.token WHERE access = ANY ($1)",
            row => KeyValuePair.Create(Text(row, 4), Found.Read(row)), CancellationToken.None, tokens)));
    }

    public Task StartAsync(CancellationToken cancellationToken) =>
        InOneStepAsync(async work => await work.ExecuteAsync(Schema), cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async ValueTask<bool> AddUserAsync(string userId, string passwordHash, CancellationToken cancellationToken) =>
        await InOneStepAsync(
            work => work.ExecuteAsync("INSERT INTO local_homeserver.user VALUES ($1, $2) ON CONFLICT DO NOTHING", userId, passwordHash),
            cancellationToken) == 1;

    public async ValueTask<string?> FindPasswordHashAsync(string userId, CancellationToken cancellationToken) =>
        (await QueryAsync("SELECT password_hash FROM local_homeserver.user WHERE user_id = $1", row => Text(row, 0), cancellationToken, userId))
            .SingleOrDefault();

    public async ValueTask<DeviceIds> FindDeviceIdsAsync(IReadOnlyCollection<string> userIds, CancellationToken cancellationToken) =>
        await _deviceIds.AskAsync(userIds, cancellationToken);

    public async ValueTask<IReadOnlyList<Device>> ListDevicesAsync(string userId, CancellationToken cancellationToken) => await QueryAsync(
        """
        SELECT device_id, display_name, last_seen_ip, last_seen_ts FROM local_homeserver.device
        WHERE user_id = $1 ORDER BY last_seen_ts, device_id
        """,
        row => new Device(Text(row, 0), Text(row, 1), Text(row, 2), row.GetInt64(3)), cancellationToken, userId);

    public async ValueTask SaveDeviceAsync(string userId, Device device, Tokens tokens, CancellationToken cancellationToken) =>
        await InOneStepAsync(
            async work =>
            {
                await work.ExecuteAsync(
                    """
                    INSERT INTO local_homeserver.device VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id, device_id) DO UPDATE
                    SET display_name = excluded.display_name, last_seen_ip = excluded.last_seen_ip, last_seen_ts = excluded.last_seen_ts
                    """,
                    userId, device.DeviceId, device.DisplayName, device.LastSeenIp, device.LastSeenTs);
                await work.ExecuteAsync($"DELETE FROM local_homeserver.token WHERE {ThisDevice}", userId, device.DeviceId);
                return await AddAsync(work, new DeviceAddress(userId, device.DeviceId), tokens, "current");
            },
            cancellationToken);

    public async ValueTask<bool> RenameDeviceAsync(DeviceAddress device, string displayName, CancellationToken cancellationToken) =>
        await InOneStepAsync(
            work => work.ExecuteAsync(
                $"UPDATE local_homeserver.device SET display_name = $3 WHERE {ThisDevice}",
                device.UserId, device.DeviceId, displayName),
            cancellationToken) == 1;

    /// <summary>
    /// All of it in one transaction, the library's part too: until it is over, the device's row keeps every host from beginning
    /// a device with this ID, whose messages must not go with those of this one (D6).
    /// </summary>
    public async ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken)
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var work = new Work(connection, cancellationToken);
        if (await work.ExecuteAsync($"DELETE FROM local_homeserver.device WHERE {ThisDevice}", device.UserId, device.DeviceId) == 0) return;
        await work.ExecuteAsync($"DELETE FROM local_homeserver.token WHERE {ThisDevice}", device.UserId, device.DeviceId);
        await _toDevice.RemoveAndCommitAsync(transaction, device, cancellationToken);
    }

    public bool RemovesMessagesToo => true;

    public async ValueTask<Session?> FindSessionAsync(string accessToken, CancellationToken cancellationToken)
    {
        if (!(await _sessions.AskAsync([accessToken], cancellationToken)).TryGetValue(accessToken, out var shared)) return null;
        if (!shared.IsNext) return shared.Session;

        return await InOneStepAsync<Session?>(
            async work =>
            {
                if (await FindLockedAsync(work, "access", accessToken) is not { } found) return null;
                if (found.IsNext) await UseNextAsync(work, found.Session.Device);
                return found.Session;
            },
            cancellationToken);
    }

    public async ValueTask<DeviceAddress?> RefreshAsync(string refreshToken, Tokens next, CancellationToken cancellationToken) =>
        await InOneStepAsync<DeviceAddress?>(
            async work =>
            {
                if (await FindLockedAsync(work, "refresh", refreshToken) is not { } found) return null;

                var device = found.Session.Device;
                if (found.IsNext) await UseNextAsync(work, device);
                await work.ExecuteAsync(
                    $"DELETE FROM local_homeserver.token WHERE {ThisDevice} AND state = 'next'", device.UserId, device.DeviceId);
                await AddAsync(work, device, next, "next");
                return device;
            },
            cancellationToken);

    public async ValueTask SaveFilterAsync(string userId, string filterId, string filter, CancellationToken cancellationToken) =>
        await InOneStepAsync(
            work => work.ExecuteAsync(
                """
                INSERT INTO local_homeserver.filter VALUES ($1, $2, $3)
                ON CONFLICT (user_id, filter_id) DO UPDATE SET filter = excluded.filter
                """,
                userId, filterId, filter),
            cancellationToken);

    public async ValueTask<string?> FindFilterAsync(string userId, string filterId, CancellationToken cancellationToken) =>
        (await QueryAsync(
            "SELECT filter FROM local_homeserver.filter WHERE user_id = $1 AND filter_id = $2",
            row => Text(row, 0), cancellationToken, userId, filterId)).SingleOrDefault();

    public async ValueTask<SigningKey> GetOrAddSigningKeyAsync(SigningKey candidate, CancellationToken cancellationToken) =>
        await InOneStepAsync(
            async work =>
            {
                await work.ExecuteAsync(
                    "INSERT INTO local_homeserver.signing_key (key_id, seed) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                    candidate.KeyId, UnpaddedBase64.Encode(candidate.Seed.Span));
                var keys = await work.QueryAsync(
                    "SELECT key_id, seed FROM local_homeserver.signing_key",
                    row => new SigningKey(Text(row, 0), UnpaddedBase64.Decode(Text(row, 1))));
                return keys.Single();
            },
            cancellationToken);

    /// <summary>The user's row is the lock; the server frees it when this host is gone.</summary>
    public async ValueTask<DeviceLock> LockDevicesAsync(string userId, CancellationToken cancellationToken)
    {
        var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        try
        {
            await connection.BeginTransactionAsync(cancellationToken);
            await new Work(connection, cancellationToken).ExecuteAsync(
                "SELECT FROM local_homeserver.user WHERE user_id = $1 FOR UPDATE", userId);
            return new DeviceLock(connection);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private static async Task<Found?> FindAsync(Work work, string column, string token) =>
        (await work.QueryAsync($"SELECT {Found.Columns} FROM local_homeserver.token WHERE {column} = $1", Found.Read, token)).SingleOrDefault();

    /// <summary>As it is once nobody else, on any host, changes this device's tokens.</summary>
    private static async Task<Found?> FindLockedAsync(Work work, string column, string token)
    {
        if (await FindAsync(work, column, token) is not { } found) return null;
        var (userId, deviceId) = found.Session.Device;
        await work.ExecuteAsync($"SELECT FROM local_homeserver.device WHERE {ThisDevice} FOR UPDATE", userId, deviceId);
        return await FindAsync(work, column, token);
    }

    private static async Task UseNextAsync(Work work, DeviceAddress device)
    {
        await work.ExecuteAsync(
            $"DELETE FROM local_homeserver.token WHERE {ThisDevice} AND state = 'previous'", device.UserId, device.DeviceId);
        await work.ExecuteAsync(
            $"""
            UPDATE local_homeserver.token SET refresh = CASE state WHEN 'current' THEN NULL ELSE refresh END,
                state = CASE state WHEN 'current' THEN 'previous' ELSE 'current' END WHERE {ThisDevice}
            """,
            device.UserId, device.DeviceId);
    }

    private static Task<int> AddAsync(Work work, DeviceAddress device, Tokens tokens, string state) => work.ExecuteAsync(
        $"INSERT INTO local_homeserver.token VALUES ($1, $2, $3, $4, $5, '{state}')",
        tokens.Access, tokens.Refresh, tokens.ExpiresAt?.ToUnixTimeMilliseconds(), device.UserId, device.DeviceId);

    private async Task<T> InOneStepAsync<T>(Func<Work, Task<T>> change, CancellationToken cancellationToken)
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var result = await change(new Work(connection, cancellationToken));
        await transaction.CommitAsync(cancellationToken);
        return result;
    }

    private async Task<List<T>> QueryAsync<T>(
        string sql, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken, params object?[] values)
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        return await new Work(connection, cancellationToken).QueryAsync(sql, read, values);
    }

    private static string Text(NpgsqlDataReader row, int column) => Encoding.UTF8.GetString(row.GetFieldValue<byte[]>(column));

    /// <summary>A token's row.</summary>
    private sealed record Found(Session Session, bool IsNext)
    {
        public const string Columns = "user_id, device_id, expires_at, state = 'next'";

        public static Found Read(NpgsqlDataReader row) => new(
            new Session(
                new DeviceAddress(Text(row, 0), Text(row, 1)),
                row.IsDBNull(2) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(2))),
            row.GetBoolean(3));
    }

    /// <summary>Statements on one connection; texts go out as bytes.</summary>
    private readonly record struct Work(NpgsqlConnection Connection, CancellationToken CancellationToken)
    {
        public async Task<int> ExecuteAsync(string sql, params object?[] values)
        {
            await using var command = Command(sql, values);
            return await command.ExecuteNonQueryAsync(CancellationToken);
        }

        public async Task<List<T>> QueryAsync<T>(string sql, Func<NpgsqlDataReader, T> read, params object?[] values)
        {
            await using var command = Command(sql, values);
            await using var rows = await command.ExecuteReaderAsync(CancellationToken);
            var found = new List<T>();
            while (await rows.ReadAsync(CancellationToken)) found.Add(read(rows));
            return found;
        }

        private NpgsqlCommand Command(string sql, object?[] values)
        {
#pragma warning disable CA2100 // Made of constants; what comes from outside is a parameter.
            var command = new NpgsqlCommand(sql, Connection);
#pragma warning restore CA2100
            foreach (var value in values)
            {
                command.Parameters.Add(new NpgsqlParameter
                {
                    Value = value switch
                    {
                        string text => Encoding.UTF8.GetBytes(text),
                        IReadOnlyCollection<string> texts => texts.Select(text => Encoding.UTF8.GetBytes(text)).ToArray(),
                        _ => value ?? DBNull.Value,
                    },
                });
            }

            return command;
        }
    }
}
