using System.Diagnostics.CodeAnalysis;

namespace Matrix.ToDevice;

/// <summary>What an <see cref="IAuthResolver"/> found out: a <see cref="Requester"/>, or the Matrix error to answer with.</summary>
public sealed class AuthResult
{
    private AuthResult(Requester? requester, ToDeviceError? error) => (Requester, Error) = (requester, error);

    /// <summary>Who makes the request; null when it is refused.</summary>
    public Requester? Requester { get; }

    /// <summary>Why the request is refused; null when it is not.</summary>
    public ToDeviceError? Error { get; }

    /// <summary>Whether the request may go on.</summary>
    [MemberNotNullWhen(true, nameof(Requester))]
    [MemberNotNullWhen(false, nameof(Error))]
    public bool Succeeded => Requester is not null;

    /// <summary>The request comes from this requester: <see cref="Requester.WithoutDevice"/> says that there is no device.</summary>
    public static AuthResult Success(Requester requester) => new(requester ?? throw new ArgumentNullException(nameof(requester)), null);

    /// <summary>The request comes from this device.</summary>
    /// <inheritdoc cref="Matrix.ToDevice.Requester(string, string)"/>
    public static AuthResult Success(string userId, string deviceId) => new(new Requester(userId, deviceId), null);

    /// <summary>No credentials: 401 <c>M_MISSING_TOKEN</c> (R9).</summary>
    public static AuthResult MissingToken { get; } = Refused(
        new ToDeviceError(401, "M_MISSING_TOKEN", "Missing access token"));

    /// <summary>An access token that is unknown, revoked or expired: 401 <c>M_UNKNOWN_TOKEN</c> (R9).</summary>
    /// <param name="softLogout">True when only the token has expired, and the device still exists.</param>
    public static AuthResult UnknownToken(bool softLogout = false) => Refused(
        new ToDeviceError(401, "M_UNKNOWN_TOKEN", "Unknown access token") { SoftLogout = softLogout ? true : null });

    /// <summary>A locked account: 401 <c>M_USER_LOCKED</c> with <c>soft_logout</c> (R10).</summary>
    public static AuthResult UserLocked { get; } = Refused(
        new ToDeviceError(401, "M_USER_LOCKED", "This account has been locked") { SoftLogout = true });

    /// <summary>
    /// A suspended account: 403 <c>M_USER_SUSPENDED</c>. Suspended users should still be able to verify devices, which
    /// needs to-device messages, so most hosts let them through instead (R11).
    /// </summary>
    public static AuthResult UserSuspended { get; } = Refused(
        new ToDeviceError(403, "M_USER_SUSPENDED", "This account has been suspended"));

    /// <summary>An appservice names a device that its user does not have: 400 <c>M_UNKNOWN_DEVICE</c> (R101).</summary>
    public static AuthResult UnknownDevice { get; } = Refused(
        new ToDeviceError(400, "M_UNKNOWN_DEVICE", "Unknown device"));

    /// <summary>The requester may not do this: 403 <c>M_FORBIDDEN</c>, for example an appservice for a user outside its namespaces (R100).</summary>
    public static AuthResult Forbidden(string reason) => Refused(new ToDeviceError(403, "M_FORBIDDEN", reason));

    /// <summary>Any other Matrix error.</summary>
    public static AuthResult Refused(ToDeviceError error) => new(null, error);
}
