using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>What every response has in common: CORS headers (R7), and errors in the form that Matrix gives them (R3).</summary>
internal static partial class MatrixErrors
{
    public static void UseMatrixErrors(this WebApplication app)
    {
        app.Use(async (context, next) =>
        {
            var headers = context.Response.Headers;
            headers.AccessControlAllowOrigin = "*";
            headers.AccessControlAllowMethods = "GET, POST, PUT, DELETE, OPTIONS";
            headers.AccessControlAllowHeaders = "X-Requested-With, Content-Type, Authorization";

            // A browser's question whether it may ask runs no endpoint (R6).
            if (HttpMethods.IsOptions(context.Request.Method)) return;

            try
            {
                await next(context);
            }
            catch (Exception e) when (context.RequestAborted.IsCancellationRequested && e is OperationCanceledException or IOException)
            {
                // The client has gone: there is nobody to answer.
            }
            catch (AuthenticationRequiredException e) when (!context.Response.HasStarted)
            {
                await e.WriteAsync(context);
            }
            catch (Exception e) when (!context.Response.HasStarted)
            {
                await ErrorFor(e, app.Logger).WriteAsync(context);
            }
        });

        // Routing itself answers an unknown path and a wrong method with a bare status (R5).
        app.UseStatusCodePages(pages => ErrorFor(pages.HttpContext.Response.StatusCode).WriteAsync(pages.HttpContext));
    }

    private static ToDeviceError ErrorFor(Exception exception, ILogger logger)
    {
        switch (exception)
        {
            case ToDeviceErrorException matrix:
                return matrix.Error;
            case BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge }:
                return new ToDeviceError(413, "M_TOO_LARGE", "The request body is too large");
            case BadHttpRequestException bad:
                return new ToDeviceError(bad.StatusCode, "M_UNKNOWN", "The request is not valid HTTP");
            default:
                // Most likely the store cannot be reached: the client had better come again later (D3).
                LogUnexpected(logger, exception);
                return new ToDeviceError(503, "M_UNKNOWN", "The server cannot do this at the moment")
                {
                    RetryAfter = TimeSpan.FromSeconds(2),
                };
        }
    }

    private static ToDeviceError ErrorFor(int statusCode) => statusCode switch
    {
        404 => new ToDeviceError(404, "M_UNRECOGNIZED", "There is no such endpoint"),
        405 => new ToDeviceError(405, "M_UNRECOGNIZED", "This endpoint does not have this method"),
        _ => new ToDeviceError(statusCode, "M_UNKNOWN", "The request cannot be answered"),
    };

    [LoggerMessage(1, LogLevel.Error, "A request failed unexpectedly")]
    private static partial void LogUnexpected(ILogger logger, Exception exception);
}
