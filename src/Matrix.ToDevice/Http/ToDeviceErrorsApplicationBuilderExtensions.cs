using Matrix.ToDevice;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Answers what the module refuses in endpoints of the host.</summary>
public static class ToDeviceErrorsApplicationBuilderExtensions
{
    /// <summary>
    /// Answers a <see cref="ToDeviceErrorException"/> of the endpoints behind it as the Matrix error that it is, in minimal APIs and in
    /// controllers: a <c>since</c> that is not a token of its device is 400 <c>M_INVALID_PARAM</c> then, and not the host's 500. Call
    /// it behind <c>UseExceptionHandler</c>, if you have that.
    /// </summary>
    public static IApplicationBuilder UseToDeviceErrors(this IApplicationBuilder app)
    {
        ArgumentNullException.ThrowIfNull(app);

        return app.Use(async (context, next) =>
        {
            try
            {
                await next(context);
            }
            catch (ToDeviceErrorException exception) when (!context.Response.HasStarted)
            {
                await exception.Error.WriteAsync(context);
            }
        });
    }
}
