using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>Which devices some users have.</summary>
internal sealed class DeviceIds(IEnumerable<DeviceAddress> devices)
{
    private readonly ILookup<string, string> _byUser = devices.ToLookup(device => device.UserId, device => device.DeviceId);

    /// <summary>The IDs of a user's devices; none for one who does not exist.</summary>
    public IReadOnlyCollection<string> this[string userId] => [.. _byUser[userId]];

    public bool HasAny(string userId) => _byUser.Contains(userId);

    public bool Has(DeviceAddress device) => _byUser[device.UserId].Contains(device.DeviceId);
}
