namespace Matrix.ToDevice;

/// <summary>Who makes a request.</summary>
/// <param name="UserId">The full user ID.</param>
/// <param name="DeviceId">
/// The device that the access token belongs to; null for an appservice that acts without a device (R62, R101). A
/// refreshed token names the same device (R73).
/// </param>
public sealed record Requester(string UserId, string? DeviceId)
{
    /// <summary>A guest. Guests may send and sync to-device messages (R12); the module treats them like everyone.</summary>
    public bool IsGuest { get; init; }

    /// <summary>An appservice, as itself or as one of its users (R100).</summary>
    public bool IsAppservice { get; init; }
}
