using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The library's question "who is asking?", answered from this server's access tokens.</summary>
internal sealed class TokenAuthResolver(IAccountStore store, Registrations appservices, TimeProvider clock) : IAuthResolver
{
    public async ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken)
    {
        if (MatrixAccessToken.Read(context) is not { } token) return AuthResult.MissingToken;

        var result = appservices.FindByToken(token) is { } appservice
            ? await appservices.ResolveAsync(context, appservice, cancellationToken)
            : await ResolveAsync(token, cancellationToken);

        // For who wants to know later on in the same request.
        if (result.Succeeded) context.Features.Set(new Caller(result.Requester));
        return result;
    }

    private async ValueTask<AuthResult> ResolveAsync(string token, CancellationToken cancellationToken)
    {
        var session = await store.FindSessionAsync(token, cancellationToken);
        if (session is null) return AuthResult.UnknownToken();

        // Only the token has ended, not the device: the client refreshes it and keeps its keys (R9).
        if (session.ExpiresAt <= clock.GetUtcNow()) return AuthResult.UnknownToken(softLogout: true);

        return AuthResult.Success(session.Device.UserId, session.Device.DeviceId);
    }
}
