using Matrix.ToDevice;

namespace MyHomeserver;

/// <summary>Which devices does a user have? Fill in your list of devices: one query for all users.</summary>
internal sealed class DeviceDirectory(Accounts accounts) : IDeviceDirectory
{
    public ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken) =>
        new([.. userIds.Select(userId => accounts.DevicesOf(userId) is { Count: > 0 } devices ? UserDevices.Local(devices) : UserDevices.Unknown)]);
}
