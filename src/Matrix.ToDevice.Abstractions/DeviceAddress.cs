namespace Matrix.ToDevice;

/// <summary>
/// A device of a user: where a to-device message goes. Device IDs are unique only for one user (R71), so the two
/// always travel together. Compared by ordinal, case-sensitive text.
/// </summary>
/// <param name="UserId">The full user ID, <c>@localpart:server</c>.</param>
/// <param name="DeviceId">The device ID.</param>
public readonly record struct DeviceAddress(string UserId, string DeviceId);
