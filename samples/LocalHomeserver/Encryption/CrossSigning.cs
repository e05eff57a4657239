using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The cross-signing keys of users: at most one for each usage.</summary>
internal sealed class CrossSigning(KeyChanges changes, IAccountStore accounts)
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

    /// <summary>Announces a new device; false when it cannot stay, since one of its user's keys has its ID (R74).</summary>
    /// <param name="device">The device.</param>
    /// <param name="hasKeys">Whether it has keys already, which other servers are told then.</param>
    /// <param name="cancellationToken">Cancels what is not committed.</param>
    public ValueTask<bool> TryAddDeviceAsync(DeviceAddress device, bool hasKeys, CancellationToken cancellationToken) => changes.MakeAsync(
        async change =>
        {
            var keys = await FindAsync(change.Statements, device.UserId);
            return keys.Values.All(key => key.PublicKey != device.DeviceId)
                && await DeviceLists.ChangeAsync(change, device.UserId, hasKeys ? device.DeviceId : "") > 0;
        },
        cancellationToken);

    /// <summary>Puts keys in the place of those with the same usage.</summary>
    /// <param name="userId">The user.</param>
    /// <param name="uploaded">The keys.</param>
    /// <param name="check">What has to be true of them and of those that are there; it throws when it is not.</param>
    /// <param name="cancellationToken">Cancels what is not committed.</param>
    public async ValueTask SaveAsync(
        string userId, IReadOnlyList<CrossSigningKey> uploaded, Func<Dictionary<string, CrossSigningKey>, ValueTask> check,
        CancellationToken cancellationToken) => await changes.MakeAsync(
        async change =>
        {
            var statements = change.Statements;
            var existing = await FindAsync(statements, userId);
            await check(existing);
            var deviceIds = await accounts.FindDeviceIdsAsync([userId], cancellationToken);
            if (uploaded.Any(key => deviceIds.Has(new DeviceAddress(userId, key.PublicKey))))
                throw Errors.Forbidden("One of your devices has the name of this key");

            var changed = uploaded.Where(key => key.IsChangeOf(existing)).ToList();
            if (changed.Count == 0) return 0;

            // What the old master key has signed, the new one has not: everything begins anew.
            if (changed.Exists(key => key.Usage == CrossSigningKey.Master))
            {
                await statements.ExecuteAsync("DELETE FROM local_homeserver.cross_signing_key WHERE user_id = $1", userId);
                changed = [.. uploaded];
            }

            foreach (var key in changed)
            {
                await statements.ExecuteAsync(
                    """
                    INSERT INTO local_homeserver.cross_signing_key VALUES ($1, $2, $3, $4)
                    ON CONFLICT (user_id, usage) DO UPDATE SET public_key = excluded.public_key, key = excluded.key
                    """,
                    userId, key.Usage, key.PublicKey, key.Json);
            }

            return await DeviceLists.ChangeAsync(change, userId, deviceId: "");
        },
        cancellationToken);
}
