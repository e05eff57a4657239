using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http.Features;

namespace LocalHomeserver;

/// <summary>
/// The server that makes a request: an endpoint that has a parameter of this type needs the request to be signed. The
/// body is part of what is signed, so it is read here and kept.
/// </summary>
/// <param name="ServerName">The server, which is one of the configured peers.</param>
/// <param name="Content">The body, a JSON object as it was sent; null when there is none.</param>
internal sealed record Origin(string ServerName, JsonElement? Content)
{
    // 50 PDUs and 100 EDUs of 65,536 bytes, as many as a transaction may have (R83), and what is around them.
    private const int MaxBytes = 10 * 1024 * 1024;

    public static async ValueTask<Origin?> BindAsync(HttpContext context)
    {
        var services = context.RequestServices;
        var serverName = services.GetRequiredService<Settings>().ServerName;
        var peers = services.GetRequiredService<PeerKeys>();
        var headers = context.Request.Headers.Authorization;

        if (headers.Count == 0) throw Errors.Unauthorized("The request is not signed");
        if (headers is not [{ } header] || XMatrix.Parse(header) is not { } authorization)
            throw Errors.Unauthorized("The Authorization header is not of the form of X-Matrix");
        if (authorization.Destination is { } destination && destination != serverName)
            throw Errors.Unauthorized("The request is for another server");
        if (!peers.Knows(authorization.Origin)) throw Errors.Forbidden("This server does not federate with yours");

        // From here on it costs something: what is not from a peer has been refused.
        var key = await peers.FindAsync(authorization.Origin, authorization.Key, context.RequestAborted)
            ?? throw Errors.Unauthorized("Your server has no such key");
        var content = await ReadAsync(context);
        var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        try
        {
            return authorization.IsSigned(key, serverName, context.Request.Method, target, content)
                ? new Origin(authorization.Origin, content)
                : throw Errors.Unauthorized("The signature is not right");
        }
        catch (CanonicalJsonException)
        {
            throw Errors.BadJson();
        }
    }

    private static async Task<JsonElement?> ReadAsync(HttpContext context)
    {
        var json = await RequestBody.ReadAsync(context, MaxBytes);
        if (json.IsEmpty) return null;
        if (!Utf8.IsValid(json.Span)) throw Errors.NotJson();
        try
        {
            var content = JsonElement.Parse(json.Span, new JsonDocumentOptions { MaxDepth = CanonicalJson.MaxDepth });
            return content.ValueKind == JsonValueKind.Object ? content : throw Errors.BadJson();
        }
        catch (JsonException)
        {
            throw Errors.NotJson();
        }
    }
}
