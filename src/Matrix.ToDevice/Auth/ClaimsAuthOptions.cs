using System.Security.Claims;

namespace Matrix.ToDevice;

/// <summary>Which claims of <c>HttpContext.User</c> tell who makes a request.</summary>
public sealed class ClaimsAuthOptions
{
    /// <summary>The claim that holds the full user ID. Default: <see cref="ClaimTypes.NameIdentifier"/>.</summary>
    public string UserIdClaim { get; set; } = ClaimTypes.NameIdentifier;

    /// <summary>The claim that holds the device ID. Default: <c>device_id</c>. Its absence means a requester without a device.</summary>
    public string DeviceIdClaim { get; set; } = "device_id";

    /// <summary>A claim whose presence marks a guest. Default: <c>guest</c>.</summary>
    public string GuestClaim { get; set; } = "guest";

    /// <summary>A claim whose presence marks an appservice. Default: <c>appservice</c>.</summary>
    public string AppserviceClaim { get; set; } = "appservice";
}
