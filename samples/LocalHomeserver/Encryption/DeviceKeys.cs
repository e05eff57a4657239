using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The keys of devices: identity keys, one-time keys and fallback keys.</summary>
internal sealed class DeviceKeys(KeyChanges changes)
{
    private const string ThisDevice = "user_id = $1 AND device_id = $2";
    private const string ThisAlgorithm = "user_id = $1 AND device_id = $2 AND algorithm = $3";

    // Clients count keys of this algorithm, also when there are none left.
    private const string Usual = "signed_curve25519";

    /// <summary>Adds keys to a device. Its number of one-time keys afterwards, for each algorithm.</summary>
    public ValueTask<Dictionary<string, long>> UploadAsync(DeviceAddress device, KeyUpload upload, CancellationToken cancellationToken) =>
        changes.MakeAsync(
            async (statements, position) =>
            {
                if (upload.DeviceKeys is not null && await SaveIdentityAsync(statements, device, upload.DeviceKeys))
                    await DeviceLists.ChangeAsync(statements, position, device.UserId);

                var stockChanged = false;
                for (var i = 0; i < upload.OneTimeKeys.Count; i++)
                    stockChanged |= await AddOneTimeKeyAsync(statements, device, upload.OneTimeKeys[i], position, i);
                foreach (var key in upload.FallbackKeys) stockChanged |= await SaveFallbackKeyAsync(statements, device, key);
                if (stockChanged) await ChangeStockAsync(statements, device, position);

                return await CountAsync(statements, device);
            },
            cancellationToken);

    /// <summary>
    /// Gives keys away, one for each question: a one-time key, which nobody else gets, or the fallback key. Null for a device that
    /// has neither.
    /// </summary>
    public ValueTask<List<NamedKey?>> ClaimAsync(
        IReadOnlyList<(DeviceAddress Device, string Algorithm)> questions, CancellationToken cancellationToken) => changes.MakeAsync(
        async (statements, position) =>
        {
            var claimed = new List<NamedKey?>();
            foreach (var (device, algorithm) in questions) claimed.Add(await ClaimAsync(statements, device, algorithm, position));
            return claimed;
        },
        cancellationToken);

    /// <summary>The identity keys of a user's devices.</summary>
    public static Task<List<(string DeviceId, byte[] Keys)>> FindAsync(KeyStatements statements, string userId) => statements.QueryAsync(
        "SELECT device_id, keys FROM local_homeserver.device_keys WHERE user_id = $1", row => (row.Text(0), row.Bytes(1)), userId);

    /// <summary>Ends the keys of a device (D6). It is a change of the user's list if the user knew the device.</summary>
    public async ValueTask RemoveAsync(DeviceAddress device, bool isKnown, CancellationToken cancellationToken) => await changes.MakeAsync(
        async (statements, position) =>
        {
            foreach (var table in (string[])["device_keys", "one_time_key", "fallback_key", "key_stock"])
                await statements.ExecuteAsync($"DELETE FROM local_homeserver.{table} WHERE {ThisDevice}", device.UserId, device.DeviceId);
            await Signatures.RemoveAsync(statements, device.UserId, device.DeviceId);
            return isKnown ? await DeviceLists.ChangeAsync(statements, position, device.UserId) : 0;
        },
        cancellationToken);

    public static async Task<Dictionary<string, long>> CountAsync(KeyStatements statements, DeviceAddress device)
    {
        var counts = await statements.QueryAsync(
            $"SELECT algorithm, count(*) FROM local_homeserver.one_time_key WHERE {ThisDevice} GROUP BY algorithm",
            row => (Algorithm: row.Text(0), Count: row.Number(1)), device.UserId, device.DeviceId);
        var byAlgorithm = counts.ToDictionary(count => count.Algorithm, count => count.Count);
        byAlgorithm.TryAdd(Usual, 0);
        return byAlgorithm;
    }

    public static Task<List<string>> UnusedFallbackKeysAsync(KeyStatements statements, DeviceAddress device) => statements.QueryAsync(
        $"SELECT algorithm FROM local_homeserver.fallback_key WHERE {ThisDevice} AND is_used = 0", row => row.Text(0),
        device.UserId, device.DeviceId);

    /// <summary>Whether a device has got or lost one-time keys or fallback keys after a position.</summary>
    public static async Task<bool> StockChangedAsync(KeyStatements statements, DeviceAddress device, long since)
    {
        var changed = await statements.QueryAsync(
            $"SELECT position FROM local_homeserver.key_stock WHERE {ThisDevice} AND position > $3", row => row.Number(0),
            device.UserId, device.DeviceId, since);
        return changed.Count > 0;
    }

    private static async Task<bool> SaveIdentityAsync(KeyStatements statements, DeviceAddress device, byte[] keys)
    {
        var before = await statements.QueryAsync(
            $"SELECT keys FROM local_homeserver.device_keys WHERE {ThisDevice}", row => row.Bytes(0), device.UserId, device.DeviceId);
        if (before is [var same] && same.AsSpan().SequenceEqual(keys)) return false;

        // A client that logged in again with the same device ID (R72) and without its old keys: nobody can use what is left.
        if (before is [var old] && !KeyJson.SameMember(old, keys, "keys"))
        {
            foreach (var table in (string[])["one_time_key", "fallback_key"])
                await statements.ExecuteAsync($"DELETE FROM local_homeserver.{table} WHERE {ThisDevice}", device.UserId, device.DeviceId);
            await Signatures.RemoveAsync(statements, device.UserId, device.DeviceId);
        }

        await statements.ExecuteAsync(
            """
            INSERT INTO local_homeserver.device_keys VALUES ($1, $2, $3) ON CONFLICT (user_id, device_id) DO UPDATE SET keys = excluded.keys
            """,
            device.UserId, device.DeviceId, keys);
        return true;
    }

    // A client that did not get the answer uploads the same keys again; one that has lost its memory uploads others under the same
    // names, and who has got the first ones could not be understood.
    private static async Task<bool> AddOneTimeKeyAsync(
        KeyStatements statements, DeviceAddress device, NamedKey key, long position, int number)
    {
        var before = await statements.QueryAsync(
            $"SELECT key FROM local_homeserver.one_time_key WHERE {ThisAlgorithm} AND key_id = $4", row => row.Bytes(0),
            device.UserId, device.DeviceId, key.Algorithm, key.KeyId);
        if (before is [var existing])
        {
            return existing.AsSpan().SequenceEqual(key.Key)
                ? false
                : throw Errors.New(400, "M_INVALID_PARAM", $"One time key {key.Name} already exists, with another value");
        }

        await statements.ExecuteAsync(
            "INSERT INTO local_homeserver.one_time_key VALUES ($1, $2, $3, $4, $5, $6, $7)",
            device.UserId, device.DeviceId, key.Algorithm, key.KeyId, key.Key, position, (long)number);
        return true;
    }

    // The same one again is as used as before.
    private static async Task<bool> SaveFallbackKeyAsync(KeyStatements statements, DeviceAddress device, NamedKey key) =>
        await statements.ExecuteAsync(
            """
            INSERT INTO local_homeserver.fallback_key VALUES ($1, $2, $3, $4, $5, 0) ON CONFLICT (user_id, device_id, algorithm)
            DO UPDATE SET key_id = excluded.key_id, key = excluded.key, is_used = 0
            WHERE fallback_key.key_id <> excluded.key_id OR fallback_key.key <> excluded.key
            """,
            device.UserId, device.DeviceId, key.Algorithm, key.KeyId, key.Key) > 0;

    private static async Task<NamedKey?> ClaimAsync(KeyStatements statements, DeviceAddress device, string algorithm, long position)
    {
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
            await ChangeStockAsync(statements, device, position);
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
            await ChangeStockAsync(statements, device, position);
        }

        return found.Key;
    }

    private static Task<int> ChangeStockAsync(KeyStatements statements, DeviceAddress device, long position) => statements.ExecuteAsync(
        """
        INSERT INTO local_homeserver.key_stock VALUES ($1, $2, $3)
        ON CONFLICT (user_id, device_id) DO UPDATE SET position = excluded.position
        """,
        device.UserId, device.DeviceId, position);
}
