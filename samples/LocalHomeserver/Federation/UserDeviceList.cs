using System.Text.Json;
using System.Text.Json.Nodes;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The devices of a user, for another server.</summary>
/// <param name="UserId">The user.</param>
/// <param name="StreamId">The version of the list.</param>
/// <param name="Devices">The devices; this server's own answers have those that have uploaded keys.</param>
/// <param name="MasterKey">The user's master key, if there is one.</param>
/// <param name="SelfSigningKey">The user's self-signing key, if there is one.</param>
public sealed record UserDeviceList(
    string UserId, long StreamId, IReadOnlyList<UserDevice> Devices, JsonObject? MasterKey = null, JsonObject? SelfSigningKey = null)
{
    /// <summary>Asks a peer for the devices of one of its users (<c>GET /_matrix/federation/v1/user/devices/{userId}</c>).</summary>
    /// <param name="federation">How to ask.</param>
    /// <param name="serverName">The user's server.</param>
    /// <param name="userId">The user.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="FederationException">It did not answer, or nothing that can be used.</exception>
    public static async Task<UserDeviceList> FetchAsync(
        FederationClient federation, string serverName, string userId, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(federation);
        var uri = $"/_matrix/federation/v1/user/devices/{Uri.EscapeDataString(userId)}";
        return Read(await federation.SendAsync(HttpMethod.Get, serverName, uri, content: null, cancellationToken), userId)
            ?? throw new FederationException($"{serverName} answered with something else than was asked for");
    }

    /// <summary>Reads what another server says about one of its users; null when it is nothing that can be used.</summary>
    internal static UserDeviceList? Read(JsonElement answer, string userId)
    {
        var members = PeerJson.Members(answer);
        if (PeerJson.Text(members.GetValueOrDefault("user_id")) != userId
            || members.GetValueOrDefault("stream_id") is not { ValueKind: JsonValueKind.Number } number || !number.TryGetInt64(out var streamId)
            || members.GetValueOrDefault("devices") is not { ValueKind: JsonValueKind.Array } list)
        {
            return null;
        }

        var devices = list.EnumerateArray().Select(device => UserDevice.Read(device, userId)).OfType<UserDevice>()
            .DistinctBy(device => device.DeviceId).ToList();
        // Where there was something, and nothing of it can be used, nobody knows which devices there are.
        if (devices.Count == 0 && list.GetArrayLength() > 0) return null;
        var (master, selfSigning) = PeerJson.CrossSigningKeys(
            members.GetValueOrDefault("master_key"), members.GetValueOrDefault("self_signing_key"), userId);
        return new UserDeviceList(
            userId, streamId, devices,
            master is null ? null : PeerJson.Object(master.Json),
            selfSigning is null ? null : PeerJson.Object(selfSigning.Json));
    }
}

/// <summary>A device of another server's user.</summary>
/// <param name="DeviceId">Its ID.</param>
/// <param name="DeviceDisplayName">What its user calls it.</param>
/// <param name="Keys">Its identity keys, if it has uploaded any.</param>
public sealed record UserDevice(string DeviceId, string? DeviceDisplayName = null, JsonObject? Keys = null)
{
    internal static UserDevice Of(Device device, JsonObject keys) =>
        new(device.DeviceId, device.DisplayName.Length == 0 ? null : device.DisplayName, keys);

    /// <summary>Reads one device; null when it is not as it has to be.</summary>
    internal static UserDevice? Read(JsonElement json, string userId)
    {
        var members = PeerJson.Members(json);
        if (PeerJson.Text(members.GetValueOrDefault("device_id")) is not { } deviceId || !Identifiers.IsDeviceId(deviceId)) return null;

        var name = PeerJson.Text(members.GetValueOrDefault("device_display_name"));
        if (!members.TryGetValue("keys", out var keys) || keys.ValueKind == JsonValueKind.Null) return new UserDevice(deviceId, name);
        return PeerJson.DeviceKeys(keys, new DeviceAddress(userId, deviceId)) is { } good ? new UserDevice(deviceId, name, good) : null;
    }
}
