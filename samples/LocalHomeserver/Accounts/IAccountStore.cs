using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>Where accounts live: users, their devices, the devices' tokens, and filters. Every method is one step.</summary>
internal interface IAccountStore : ISigningKeyStore
{
    /// <summary>Adds a user; false when the user ID is taken.</summary>
    ValueTask<bool> AddUserAsync(string userId, string passwordHash, CancellationToken cancellationToken);

    /// <summary>Null when there is no such user.</summary>
    ValueTask<string?> FindPasswordHashAsync(string userId, CancellationToken cancellationToken);

    /// <summary>The devices of users of this server. One question to the database, whoever and however many they are.</summary>
    ValueTask<DeviceIds> FindDeviceIdsAsync(IReadOnlyCollection<string> userIds, CancellationToken cancellationToken);

    ValueTask<IReadOnlyList<Device>> ListDevicesAsync(string userId, CancellationToken cancellationToken);

    /// <summary>Adds a device, or puts a new one in the place of the one with this ID; that one's tokens end.</summary>
    ValueTask SaveDeviceAsync(string userId, Device device, Tokens tokens, CancellationToken cancellationToken);

    /// <summary>Changes a device's name; false when there is no such device.</summary>
    ValueTask<bool> RenameDeviceAsync(DeviceAddress device, string displayName, CancellationToken cancellationToken);

    /// <summary>Removes a device and its tokens. Harmless when it does not exist.</summary>
    ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken);

    /// <summary>Whether <see cref="RemoveDeviceAsync"/> ends the device in the library too, in the same step.</summary>
    bool RemovesMessagesToo => false;

    /// <summary>Whose access token it is; null for nobody's. When it came from a refresh, the refresh token before it ends.</summary>
    ValueTask<Session?> FindSessionAsync(string accessToken, CancellationToken cancellationToken);

    /// <summary>
    /// Gives the device of a refresh token new tokens; null when nobody has that refresh token. It stays usable until one
    /// of the new tokens is used: the client may never have got the response.
    /// </summary>
    ValueTask<DeviceAddress?> RefreshAsync(string refreshToken, Tokens next, CancellationToken cancellationToken);

    ValueTask SaveFilterAsync(string userId, string filterId, string filter, CancellationToken cancellationToken);

    ValueTask<string?> FindFilterAsync(string userId, string filterId, CancellationToken cancellationToken);

    /// <summary>Waits until no other host begins or ends devices of this user, and keeps them from it.</summary>
    ValueTask<DeviceLock> LockDevicesAsync(string userId, CancellationToken cancellationToken) => new(new DeviceLock());
}

/// <summary>A device, as <c>GET /devices</c> lists it.</summary>
/// <param name="DeviceId">Its ID, unique for its user (R71).</param>
/// <param name="DisplayName">What its user calls it.</param>
/// <param name="LastSeenIp">From where it last logged in.</param>
/// <param name="LastSeenTs">When that was, in milliseconds since 1970.</param>
internal sealed record Device(string DeviceId, string DisplayName, string LastSeenIp, long LastSeenTs);

/// <summary>What an access token stands for.</summary>
internal sealed record Session(DeviceAddress Device, DateTimeOffset? ExpiresAt);
