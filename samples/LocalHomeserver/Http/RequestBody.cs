using Microsoft.AspNetCore.Http.Features;

namespace LocalHomeserver;

/// <summary>Reads a request's body.</summary>
internal static class RequestBody
{
    /// <summary>All of it; one that is longer ends the request with 413.</summary>
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(HttpContext context, int maxBytes)
    {
        context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = maxBytes;
        var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        return body.GetBuffer().AsMemory(0, (int)body.Length);
    }
}
