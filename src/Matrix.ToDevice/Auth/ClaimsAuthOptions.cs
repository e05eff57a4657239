namespace Matrix.ToDevice;

/// <summary>Which claims of <c>HttpContext.User</c> tell who makes a request. None has a default that a claim of another framework could fill.</summary>
public sealed class ClaimsAuthOptions
{
    /// <summary>The claim that holds the full user ID, <c>@localpart:server</c>.</summary>
    public string UserIdClaim { get; set; } = "";

    /// <summary>The claim that holds the device ID. Who has none is refused, unless <see cref="AppserviceClaim"/> is there.</summary>
    public string DeviceIdClaim { get; set; } = "";

    /// <summary>A claim whose presence marks a guest; null, the default: there are none.</summary>
    public string? GuestClaim { get; set; }

    /// <summary>A claim whose presence marks an appservice, which may have no device; null, the default: there are none.</summary>
    public string? AppserviceClaim { get; set; }
}
