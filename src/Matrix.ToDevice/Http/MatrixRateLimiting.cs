using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

/// <summary>
/// Gives the module's endpoints a Matrix-shaped 429 when ASP.NET Core's rate limiter rejects a request (R13, D14). A
/// rejected request never reaches the endpoint, so it uses up no transaction. Other endpoints stay the host's.
/// </summary>
internal sealed class MatrixRateLimiting : IPostConfigureOptions<RateLimiterOptions>
{
    private static readonly TimeSpan s_retryAfter = TimeSpan.FromSeconds(1);

    public void PostConfigure(string? name, RateLimiterOptions options)
    {
        var others = options.OnRejected;
        options.OnRejected = (context, cancellationToken) =>
        {
            if (context.HttpContext.GetEndpoint()?.Metadata.GetMetadata<MatrixEndpointMetadata>() is null)
                return others?.Invoke(context, cancellationToken) ?? ValueTask.CompletedTask;

            var retryAfter = context.Lease.TryGetMetadata(MetadataName.RetryAfter, out var told) ? told : s_retryAfter;
            var error = new ToDeviceError(StatusCodes.Status429TooManyRequests, "M_LIMIT_EXCEEDED", "Too many requests")
            {
                RetryAfter = retryAfter,
            };
            return new ValueTask(error.WriteAsync(context.HttpContext));
        };
    }
}
