namespace LocalHomeserver;

/// <summary><c>POST refresh</c>: the refresh token is the authentication. The new tokens are the same device's (R73).</summary>
internal static class RefreshEndpoint
{
    public static void MapRefresh(this IEndpointRouteBuilder client) => client.MapPost("/refresh", RefreshAsync);

    private static async Task<RefreshResponse> RefreshAsync(
        Body<RefreshRequest> body, IAccountStore store, Settings settings, TimeProvider clock, CancellationToken cancellationToken)
    {
        var refreshToken = body.Value.RefreshToken ?? throw Errors.MissingParam("refresh_token");
        var tokens = Tokens.New(canRefresh: true, settings, clock);
        if (await store.RefreshAsync(refreshToken, tokens, cancellationToken) is null)
            throw Errors.New(401, "M_UNKNOWN_TOKEN", "Unknown refresh token");

        return new RefreshResponse(tokens.Access, tokens.Refresh, tokens.LifetimeMs(settings));
    }
}

internal sealed record RefreshRequest(string? RefreshToken);

internal sealed record RefreshResponse(string AccessToken, string? RefreshToken, long? ExpiresInMs);
