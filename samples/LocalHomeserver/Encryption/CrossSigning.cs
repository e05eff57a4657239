namespace LocalHomeserver;

/// <summary>The cross-signing keys of users: at most one for each usage.</summary>
internal sealed class CrossSigning(KeyChanges changes)
{
    public ValueTask<Dictionary<string, CrossSigningKey>> FindAsync(string userId, CancellationToken cancellationToken) =>
        changes.ReadAsync(statements => FindAsync(statements, userId), cancellationToken);

    /// <summary>A user's keys by their usage.</summary>
    public static async Task<Dictionary<string, CrossSigningKey>> FindAsync(KeyStatements statements, string userId)
    {
        var keys = await statements.QueryAsync(
            "SELECT usage, public_key, key FROM local_homeserver.cross_signing_key WHERE user_id = $1",
            row => new CrossSigningKey(row.Text(0), row.Text(1), row.Bytes(2)), userId);
        return keys.ToDictionary(key => key.Usage);
    }

    /// <summary>Whether a device of this user cannot have this ID, since a key has it (R74).</summary>
    public async ValueTask<bool> IsKeyAsync(string userId, string deviceId, CancellationToken cancellationToken) =>
        (await FindAsync(userId, cancellationToken)).Values.Any(key => key.PublicKey == deviceId);

    /// <summary>Puts keys in the place of those with the same usage.</summary>
    public async ValueTask SaveAsync(string userId, IReadOnlyList<CrossSigningKey> keys, CancellationToken cancellationToken) =>
        await changes.MakeAsync(
            async (statements, position) =>
            {
                // What the old master key has signed, the new one has not.
                if (keys.Any(key => key.Usage == CrossSigningKey.Master))
                    await statements.ExecuteAsync("DELETE FROM local_homeserver.cross_signing_key WHERE user_id = $1", userId);
                foreach (var key in keys)
                {
                    await statements.ExecuteAsync(
                        """
                        INSERT INTO local_homeserver.cross_signing_key VALUES ($1, $2, $3, $4)
                        ON CONFLICT (user_id, usage) DO UPDATE SET public_key = excluded.public_key, key = excluded.key
                        """,
                        userId, key.Usage, key.PublicKey, key.Json);
                }

                return await DeviceLists.ChangeAsync(statements, position, userId);
            },
            cancellationToken);
}
