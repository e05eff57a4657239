using System.Text.Json.Nodes;

namespace LocalHomeserver;

/// <summary>What others see of a user's keys.</summary>
/// <param name="Devices">The identity keys of devices that have uploaded some, by device ID.</param>
/// <param name="MasterKey">The master key, with the signatures that the asker may see.</param>
/// <param name="SelfSigningKey">The self-signing key.</param>
/// <param name="UserSigningKey">The user-signing key; only for the user.</param>
internal sealed record UserKeys(
    IReadOnlyDictionary<string, JsonObject> Devices, JsonObject? MasterKey, JsonObject? SelfSigningKey, JsonObject? UserSigningKey)
{
    /// <summary>The keys of a user of this server.</summary>
    /// <param name="changes">Where to read.</param>
    /// <param name="accounts">Which devices there are, and what their user calls them.</param>
    /// <param name="userId">The user.</param>
    /// <param name="asker">Who wants to know; null for another server.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async ValueTask<UserKeys> FindAsync(
        KeyChanges changes, IAccountStore accounts, string userId, string? asker, CancellationToken cancellationToken)
    {
        var (deviceKeys, crossSigning, signatures) = await changes.ReadAsync(
            async statements => (
                await DeviceKeys.FindAsync(statements, userId),
                await CrossSigning.FindAsync(statements, userId),
                await Signatures.FindAsync(statements, userId, asker)),
            cancellationToken);

        // What has ended is not seen any more, even when its keys are still there for a moment.
        var names = deviceKeys.Count == 0
            ? []
            : (await accounts.ListDevicesAsync(userId, cancellationToken)).ToDictionary(device => device.DeviceId, device => device.DisplayName);
        var devices = new Dictionary<string, JsonObject>();
        foreach (var (deviceId, keys) in deviceKeys.Where(device => names.ContainsKey(device.DeviceId)))
        {
            var device = Signed(keys, deviceId);
            KeyJson.SetDisplayName(device, names[deviceId]);
            devices.Add(deviceId, device);
        }

        return new UserKeys(
            devices,
            Key(CrossSigningKey.Master),
            Key(CrossSigningKey.SelfSigning),
            asker == userId ? Key(CrossSigningKey.UserSigning) : null);

        JsonObject? Key(string usage) => crossSigning.TryGetValue(usage, out var key) ? Signed(key.Json, key.PublicKey) : null;

        JsonObject Signed(byte[] json, string target)
        {
            var key = JsonNode.Parse(json)!.AsObject();
            foreach (var signature in signatures[target]) signature.AddTo(key);
            return key;
        }
    }
}
