using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The library's question "who is asking?", answered from this server's access tokens.</summary>
internal sealed class TokenAuthResolver(IAccountStore store, TimeProvider clock) : IAuthResolver
{
    public async ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken)
    {
        if (MatrixAccessToken.Read(context) is not { } token) return AuthResult.MissingToken;

        var session = await store.FindSessionAsync(token, cancellationToken);
        if (session is null) return AuthResult.UnknownToken();

        // Only the token has ended, not the device: the client refreshes it and keeps its keys (R9).
        if (session.ExpiresAt <= clock.GetUtcNow()) return AuthResult.UnknownToken(softLogout: true);

        // For who wants to know later on in the same request.
        context.Features.Set(new Caller(session.Device));
        return AuthResult.Success(session.Device.UserId, session.Device.DeviceId);
    }
}
