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
        if (userId is null)
        {
            return ValueTask.FromResult(
                MatrixAccessToken.Read(context) is null ? AuthResult.MissingToken : AuthResult.UnknownToken());
        }

        return ValueTask.FromResult(AuthResult.Success(new Requester(userId, user.FindFirst(claims.DeviceIdClaim)?.Value)
        {
            IsGuest = user.HasClaim(claim => claim.Type == claims.GuestClaim),
            IsAppservice = user.HasClaim(claim => claim.Type == claims.AppserviceClaim),
        }));
    }
}
