using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The stock of keys that a device gives to others: one-time keys, and fallback keys for when there are none left.</summary>
internal static class OneTimeKeys
{
    private const string ThisDevice = "user_id = $1 AND device_id = $2";
    private const string ThisAlgorithm = "user_id = $1 AND device_id = $2 AND algorithm = $3";

    // Clients count keys of this algorithm, also when there are none left.
    private const string Usual = "signed_curve25519";

    /// <summary>Adds keys, each once.</summary>
    public static async Task AddAsync(KeyChange change, DeviceAddress device, KeyUpload upload)
    {
        var isNews = false;
        for (var i = 0; i < upload.OneTimeKeys.Count; i++) isNews |= await AddAsync(change, device, upload.OneTimeKeys[i], i);
        foreach (var key in upload.FallbackKeys) isNews |= await SaveFallbackAsync(change.Statements, device, key);
        if (!isNews) return;

        // Every sync of the device counts them.
        var stock = await change.Statements.QueryAsync(
            $"""
            SELECT (SELECT count(*) FROM local_homeserver.one_time_key WHERE {ThisDevice})
                + (SELECT count(*) FROM local_homeserver.fallback_key WHERE {ThisDevice})
            """,
            row => row.Number(0), device.UserId, device.DeviceId);
        if (stock.Single() > KeyUpload.MaxKeys) throw Errors.InvalidParam("one_time_keys", $"at most {KeyUpload.MaxKeys} keys with those of before");
        await ChangeAsync(change, device);
    }

    /// <summary>A one-time key, which nobody else gets, or the fallback key; null when there is neither.</summary>
    public static async Task<NamedKey?> ClaimAsync(KeyChange change, DeviceAddress device, string algorithm)
    {
        var statements = change.Statements;
        // The oldest first: clients forget old ones.
        var oneTime = await statements.QueryAsync(
            $"""
            DELETE FROM local_homeserver.one_time_key WHERE {ThisAlgorithm} AND key_id = (
                SELECT key_id FROM local_homeserver.one_time_key WHERE {ThisAlgorithm} ORDER BY position, number LIMIT 1)
            RETURNING key_id, key
            """,
            row => new NamedKey(algorithm, row.Text(0), row.Bytes(1)), device.UserId, device.DeviceId, algorithm);
        if (oneTime is [var key])
        {
            await ChangeAsync(change, device);
            return key;
        }

        var fallback = await statements.QueryAsync(
            $"SELECT key_id, key, is_used FROM local_homeserver.fallback_key WHERE {ThisAlgorithm}",
            row => (Key: new NamedKey(algorithm, row.Text(0), row.Bytes(1)), IsUsed: row.Number(2) == 1),
            device.UserId, device.DeviceId, algorithm);
        if (fallback is not [var found]) return null;

        if (!found.IsUsed)
        {
            await statements.ExecuteAsync(
                $"UPDATE local_homeserver.fallback_key SET is_used = 1 WHERE {ThisAlgorithm}", device.UserId, device.DeviceId, algorithm);
            await ChangeAsync(change, device);
        }

        return found.Key;
    }

    /// <summary>Removes all of them.</summary>
    public static async Task RemoveAsync(KeyStatements statements, DeviceAddress device)
    {
        foreach (var table in (string[])["one_time_key", "fallback_key", "key_stock"])
            await statements.ExecuteAsync($"DELETE FROM local_homeserver.{table} WHERE {ThisDevice}", device.UserId, device.DeviceId);
    }

    /// <summary>How many one-time keys there are, for each algorithm.</summary>
    public static async Task<Dictionary<string, long>> CountAsync(KeyStatements statements, DeviceAddress device)
    {
        var counts = await statements.QueryAsync(
            $"SELECT algorithm, count(*) FROM local_homeserver.one_time_key WHERE {ThisDevice} GROUP BY algorithm",
            row => (Algorithm: row.Text(0), Count: row.Number(1)), device.UserId, device.DeviceId);
        return WithUsual(counts.ToDictionary(count => count.Algorithm, count => count.Count));
    }

    /// <summary>The counts, that of the usual algorithm among them.</summary>
    public static Dictionary<string, long> WithUsual(Dictionary<string, long> counts)
    {
        counts.TryAdd(Usual, 0);
        return counts;
    }

    // A client that did not get the answer uploads the same keys again, perhaps signed anew; one that has lost its memory uploads
    // others under the same names, and who has got the first ones could not be understood.
    private static async Task<bool> AddAsync(KeyChange change, DeviceAddress device, NamedKey key, int number)
    {
        var before = await change.Statements.QueryAsync(
            $"SELECT key FROM local_homeserver.one_time_key WHERE {ThisAlgorithm} AND key_id = $4", row => row.Bytes(0),
            device.UserId, device.DeviceId, key.Algorithm, key.KeyId);
        if (before is [var existing])
        {
            if (!KeyJson.IsSameKey(existing, key.Key))
                throw Errors.New(400, "M_INVALID_PARAM", $"One time key {key.Name} already exists, with another value");
            if (!existing.AsSpan().SequenceEqual(key.Key))
            {
                await change.Statements.ExecuteAsync(
                    $"UPDATE local_homeserver.one_time_key SET key = $5 WHERE {ThisAlgorithm} AND key_id = $4",
                    device.UserId, device.DeviceId, key.Algorithm, key.KeyId, key.Key);
            }

            return false;
        }

        await change.Statements.ExecuteAsync(
            "INSERT INTO local_homeserver.one_time_key VALUES ($1, $2, $3, $4, $5, $6, $7)",
            device.UserId, device.DeviceId, key.Algorithm, key.KeyId, key.Key, change.TakePosition(), (long)number);
        return true;
    }

    // The same one again is as used as before, however it is called and signed now.
    private static async Task<bool> SaveFallbackAsync(KeyStatements statements, DeviceAddress device, NamedKey key)
    {
        var before = await statements.QueryAsync(
            $"SELECT key, is_used FROM local_homeserver.fallback_key WHERE {ThisAlgorithm}",
            row => (Key: row.Bytes(0), IsUsed: row.Number(1)), device.UserId, device.DeviceId, key.Algorithm);
        var isSame = before is [var existing] && KeyJson.IsSameKey(existing.Key, key.Key);
        await statements.ExecuteAsync(
            """
            INSERT INTO local_homeserver.fallback_key VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id, device_id, algorithm)
            DO UPDATE SET key_id = excluded.key_id, key = excluded.key, is_used = excluded.is_used
            """,
            device.UserId, device.DeviceId, key.Algorithm, key.KeyId, key.Key, isSame ? before[0].IsUsed : 0L);
        return !isSame;
    }

    private static Task<int> ChangeAsync(KeyChange change, DeviceAddress device) => change.Statements.ExecuteAsync(
        """
        INSERT INTO local_homeserver.key_stock VALUES ($1, $2, $3)
        ON CONFLICT (user_id, device_id) DO UPDATE SET position = excluded.position
        """,
        device.UserId, device.DeviceId, change.TakePosition());
}
