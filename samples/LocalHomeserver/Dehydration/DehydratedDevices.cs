using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// The users' dehydrated devices (MSC3814), of which each has one at most (R113), and the library's question which one it is. A
/// dehydrated device is a device like others, with keys and messages; only nobody is logged in with it.
/// </summary>
internal sealed class DehydratedDevices(KeyChanges changes, IAccountStore accounts) : IDehydratedDevices
{
    // <dehydrated-devices>
    public async ValueTask<string?> FindAsync(string userId, CancellationToken cancellationToken) =>
        (await ReadAsync(userId, cancellationToken))?.DeviceId;
    // </dehydrated-devices>

    public async ValueTask<DehydratedDevice?> ReadAsync(string userId, CancellationToken cancellationToken)
    {
        var found = await changes.ReadAsync(
            statements => statements.QueryAsync(
                "SELECT device_id, data FROM local_homeserver.dehydrated_device WHERE user_id = $1",
                row => new DehydratedDevice(row.Text(0), row.Bytes(1)), userId),
            cancellationToken);
        if (found is not [var device]) return null;

        // What has ended, or has not begun yet, is not seen.
        var deviceIds = await accounts.FindDeviceIdsAsync([userId], cancellationToken);
        return deviceIds.Has(new DeviceAddress(userId, device.DeviceId)) ? device : null;
    }

    public static Task<int> SaveAsync(KeyStatements statements, string userId, DehydratedDevice device) => statements.ExecuteAsync(
        """
        INSERT INTO local_homeserver.dehydrated_device VALUES ($1, $2, $3)
        ON CONFLICT (user_id) DO UPDATE SET device_id = excluded.device_id, data = excluded.data
        """,
        userId, device.DeviceId, device.Data);

    /// <summary>Forgets it, when it is the device that ends.</summary>
    public static Task<int> RemoveAsync(KeyStatements statements, DeviceAddress device) => statements.ExecuteAsync(
        "DELETE FROM local_homeserver.dehydrated_device WHERE user_id = $1 AND device_id = $2", device.UserId, device.DeviceId);
}

/// <summary>A dehydrated device.</summary>
/// <param name="DeviceId">Its ID.</param>
/// <param name="Data">What the client needs to rehydrate it, as the client sent it: encrypted, and nobody else's business.</param>
internal sealed record DehydratedDevice(string DeviceId, byte[] Data);
