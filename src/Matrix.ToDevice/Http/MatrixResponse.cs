using Microsoft.AspNetCore.Http;

namespace Matrix.ToDevice;

/// <summary>What every response of the module has in common: CORS headers (R7) and JSON (R2).</summary>
internal static class MatrixResponse
{
    private static readonly ReadOnlyMemory<byte> s_emptyObject = "{}"u8.ToArray();

    public static void AddCorsHeaders(HttpContext context)
    {
        // Assigned, not appended: a host's own CORS middleware may have set them already.
        var headers = context.Response.Headers;
        headers.AccessControlAllowOrigin = "*";
        headers.AccessControlAllowMethods = "GET, POST, PUT, DELETE, OPTIONS";
        headers.AccessControlAllowHeaders = "X-Requested-With, Content-Type, Authorization";
    }

    public static Task WriteEmptyObjectAsync(HttpContext context) =>
        WriteAsync(context, StatusCodes.Status200OK, s_emptyObject);

    public static async Task WriteAsync(HttpContext context, int statusCode, ReadOnlyMemory<byte> json)
    {
        AddHeaders(context, statusCode);
        context.Response.ContentLength = json.Length;
        await context.Response.BodyWriter.WriteAsync(json);
    }

    /// <summary>Everything but the body and its length.</summary>
    public static void AddHeaders(HttpContext context, int statusCode)
    {
        AddCorsHeaders(context);
        context.Response.StatusCode = statusCode;
        context.Response.ContentType = "application/json";
    }
}
