namespace Matrix.ToDevice;

/// <summary>What a <see cref="IDeviceDirectory"/> says about one user.</summary>
public readonly record struct UserDevices
{
    private readonly IReadOnlyCollection<string>? _deviceIds;

    private UserDevices(bool isRemote, IReadOnlyCollection<string>? deviceIds)
    {
        IsRemote = isRemote;
        _deviceIds = deviceIds;
    }

    /// <summary>
    /// The devices of a local user; none for an unknown user. An <see cref="IReadOnlySet{T}"/> saves a copy when a user
    /// has many devices.
    /// </summary>
    public IReadOnlyCollection<string> DeviceIds => _deviceIds ?? [];

    /// <summary>Whether the user belongs to another server, to which this one federates (R27).</summary>
    public bool IsRemote { get; }

    /// <summary>
    /// Nobody who could get a message: no such user, a deactivated one, or one of another server when this server does
    /// not federate. The message is dropped, and the sender is not told (R28, D10).
    /// </summary>
    public static UserDevices Unknown => default;

    /// <summary>A user of another server; the server name is what follows the first colon of the user ID.</summary>
    public static UserDevices Remote { get; } = new(isRemote: true, null);

    /// <summary>A local user with these devices.</summary>
    /// <param name="deviceIds">The IDs of the devices that can sync. Cross-signing keys are not devices (R74).</param>
    public static UserDevices Local(IEnumerable<string> deviceIds) =>
        new(isRemote: false, deviceIds as IReadOnlyCollection<string> ?? [.. deviceIds ?? throw new ArgumentNullException(nameof(deviceIds))]);
}
