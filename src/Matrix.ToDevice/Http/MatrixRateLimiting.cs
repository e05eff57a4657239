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
    public void PostConfigure(string? name, RateLimiterOptions options)
    {
        var others = options.OnRejected;
        options.OnRejected = (context, cancellationToken) =>
        {
            if (context.HttpContext.GetEndpoint()?.Metadata.GetMetadata<MatrixEndpointMetadata>() is null)
                return others?.Invoke(context, cancellationToken) ?? ValueTask.CompletedTask;

            return new ValueTask(LimitExceeded.Of(context.Lease).WriteAsync(context.HttpContext));
        };
    }
}
