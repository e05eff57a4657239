using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The keys of devices: identity keys, one-time keys and fallback keys.</summary>
internal sealed class DeviceKeys(KeyChanges changes, IAccountStore accounts)
{
    private const string ThisDevice = "user_id = $1 AND device_id = $2";

    /// <summary>Adds keys to a device. Its number of one-time keys afterwards, for each algorithm.</summary>
    /// <param name="device">The device.</param>
    /// <param name="upload">The keys.</param>
    /// <param name="authenticate">
    /// Asks once more, as a part of the change, whether it is still this device: the keys of one that has ended meanwhile must not
    /// turn up in the life of a later one with its ID (D6).
    /// </param>
    /// <param name="cancellationToken">Cancels what is not committed.</param>
    public ValueTask<Dictionary<string, long>> UploadAsync(
        DeviceAddress device, KeyUpload upload, Func<ValueTask<Caller?>> authenticate, CancellationToken cancellationToken) =>
        changes.MakeAsync(
            async change =>
            {
                await authenticate();
                if (upload.DeviceKeys is not null && await SaveIdentityAsync(change.Statements, device, upload.DeviceKeys))
                    await DeviceLists.ChangeAsync(change, device.UserId, device.DeviceId);

                await OneTimeKeys.AddAsync(change, device, upload);
                return await OneTimeKeys.CountAsync(change.Statements, device);
            },
            cancellationToken);

    /// <summary>Adds the keys of a device that is about to begin, and remembers it as its user's dehydrated one.</summary>
    public async ValueTask BeginDehydratedAsync(
        string userId, DehydratedDevice device, KeyUpload upload, CancellationToken cancellationToken) => await changes.MakeAsync(
        async change =>
        {
            var address = new DeviceAddress(userId, device.DeviceId);
            await SaveIdentityAsync(change.Statements, address, upload.DeviceKeys!);
            await OneTimeKeys.AddAsync(change, address, upload);
            return await DehydratedDevices.SaveAsync(change.Statements, userId, device);
        },
        cancellationToken);

    /// <summary>
    /// Gives keys away, one for each question: a one-time key, which nobody else gets, or the fallback key. Null for a device that
    /// has neither.
    /// </summary>
    public ValueTask<List<NamedKey?>> ClaimAsync(
        IReadOnlyList<(DeviceAddress Device, string Algorithm)> questions, CancellationToken cancellationToken) => changes.MakeAsync(
        async change =>
        {
            var claimed = new List<NamedKey?>();
            foreach (var (device, algorithm) in questions) claimed.Add(await OneTimeKeys.ClaimAsync(change, device, algorithm));
            return claimed;
        },
        cancellationToken);

    /// <summary>The identity keys of a user's devices.</summary>
    public static Task<List<(string DeviceId, byte[] Keys)>> FindAsync(KeyStatements statements, string userId) => statements.QueryAsync(
        "SELECT device_id, keys FROM local_homeserver.device_keys WHERE user_id = $1", row => (row.Text(0), row.Bytes(1)), userId);

    /// <summary>Removes the keys of a device that has ended, or that is about to begin (D6).</summary>
    /// <param name="device">The device.</param>
    /// <param name="isChange">Whether it was on the user's list, which is another one now.</param>
    /// <param name="cancellationToken">Cancels what is not committed.</param>
    public async ValueTask RemoveAsync(DeviceAddress device, bool isChange, CancellationToken cancellationToken) => await changes.MakeAsync(
        async change =>
        {
            // When there is such a device, another host has begun it, and has removed what was left of the one before it.
            var deviceIds = await accounts.FindDeviceIdsAsync([device.UserId], cancellationToken);
            var hadKeys = false;
            if (!deviceIds.Has(device))
            {
                hadKeys = await change.Statements.ExecuteAsync(
                    $"DELETE FROM local_homeserver.device_keys WHERE {ThisDevice}", device.UserId, device.DeviceId) > 0;
                await OneTimeKeys.RemoveAsync(change.Statements, device);
                await Signatures.RemoveAsync(change.Statements, device.UserId, device.DeviceId);
                await DehydratedDevices.RemoveAsync(change.Statements, device);
            }

            return isChange ? await DeviceLists.ChangeAsync(change, device.UserId, hadKeys ? device.DeviceId : "") : 0;
        },
        cancellationToken);

    private static async Task<bool> SaveIdentityAsync(KeyStatements statements, DeviceAddress device, byte[] keys)
    {
        var before = await statements.QueryAsync(
            $"SELECT keys FROM local_homeserver.device_keys WHERE {ThisDevice}", row => row.Bytes(0), device.UserId, device.DeviceId);
        if (before is [var same] && KeyJson.IsSame(same, keys)) return false;

        // A client that logged in again with the same device ID (R72) and without its old keys: nobody can use what is left.
        if (before is [var old] && !KeyJson.SameMember(old, keys, "keys"))
        {
            await OneTimeKeys.RemoveAsync(statements, device);
            await Signatures.RemoveAsync(statements, device.UserId, device.DeviceId);
        }

        await statements.ExecuteAsync(
            """
            INSERT INTO local_homeserver.device_keys VALUES ($1, $2, $3) ON CONFLICT (user_id, device_id) DO UPDATE SET keys = excluded.keys
            """,
            device.UserId, device.DeviceId, keys);
        return true;
    }
}
