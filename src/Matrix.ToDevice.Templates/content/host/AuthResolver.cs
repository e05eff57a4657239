using Matrix.ToDevice;

namespace MyHomeserver;

/// <summary>Who is asking? Fill in your access tokens, where <see cref="Accounts"/> is asked.</summary>
internal sealed class AuthResolver(Accounts accounts) : IAuthResolver
{
    public ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken)
    {
        if (MatrixAccessToken.Read(context) is not { } token) return new(AuthResult.MissingToken);

        // AuthResult has the others too: UserLocked, UserSuspended, UnknownToken(softLogout: true), and Requester for guests and appservices.
        return new(accounts.FindByToken(token) is { } device
            ? AuthResult.Success(device.UserId, device.DeviceId)
            : AuthResult.UnknownToken());
    }
}
