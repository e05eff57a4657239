using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

/// <summary>For hosts with ASP.NET Core authentication: reads who asks from the claims that it left in <c>HttpContext.User</c>.</summary>
internal sealed class ClaimsAuthResolver(IOptions<ClaimsAuthOptions> options) : IAuthResolver
{
    public ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var user = context.User;
        var claims = options.Value;
        var userId = user.Identity?.IsAuthenticated == true ? user.FindFirst(claims.UserIdClaim)?.Value : null;
        var deviceId = user.FindFirst(claims.DeviceIdClaim)?.Value;
        var isAppservice = user.HasClaim(claim => claim.Type == claims.AppserviceClaim);
        if (userId is null || (deviceId is null && !isAppservice))
        {
            return ValueTask.FromResult(
                MatrixAccessToken.Read(context) is null ? AuthResult.MissingToken : AuthResult.UnknownToken());
        }

        var requester = deviceId is null ? Requester.WithoutDevice(userId) : new Requester(userId, deviceId);
        var isGuest = user.HasClaim(claim => claim.Type == claims.GuestClaim);
        return ValueTask.FromResult(AuthResult.Success(requester with { IsGuest = isGuest, IsAppservice = isAppservice }));
    }
}
