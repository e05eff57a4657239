using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;

namespace Matrix.ToDevice;

/// <summary>The 429 of whatever limits (R13, D14).</summary>
internal static class LimitExceeded
{
    private static readonly TimeSpan s_retryAfter = TimeSpan.FromSeconds(1);

    /// <summary>What a limiter has refused, and when it says to come back.</summary>
    public static ToDeviceError Of(RateLimitLease refused) =>
        Of("Too many requests", refused.TryGetMetadata(MetadataName.RetryAfter, out var told) ? told : s_retryAfter);

    public static ToDeviceError Of(string error, TimeSpan retryAfter) =>
        new(StatusCodes.Status429TooManyRequests, "M_LIMIT_EXCEEDED", error) { RetryAfter = retryAfter };
}
