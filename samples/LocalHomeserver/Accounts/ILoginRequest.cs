namespace LocalHomeserver;

/// <summary>What a login and a registration both say about the device.</summary>
internal interface ILoginRequest
{
    /// <summary>The ID of a device that exists, or that the client would like to have; without one the server makes one up.</summary>
    string? DeviceId { get; }

    /// <summary>A name for a new device; one that exists keeps its name.</summary>
    string? InitialDeviceDisplayName { get; }

    /// <summary>Whether the client can refresh its access token.</summary>
    bool? RefreshToken { get; }
}

internal static class LoginRequestExtensions
{
    public static void CheckDeviceId(this ILoginRequest request)
    {
        if (request.DeviceId is { Length: 0 or > 255 } or Identifiers.EveryDevice)
            throw Errors.InvalidParam("device_id", "1 to 255 characters long, and not *, which is every device");
    }
}
