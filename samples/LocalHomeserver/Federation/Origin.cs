using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;

namespace LocalHomeserver;

/// <summary>
/// The server that makes a request: an endpoint that has a parameter of this type needs the request to be signed. The
/// body is part of what is signed, so it is read here and kept.
/// </summary>
/// <param name="ServerName">The server, which is one of the configured peers.</param>
/// <param name="Body">The body as it was sent, JSON of any form and depth; empty when there is none.</param>
internal sealed record Origin(string ServerName, ReadOnlyMemory<byte> Body)
{
    // 50 PDUs and 100 EDUs of 65,536 bytes, as many as a transaction may have (R83), and what is around them.
    private const int MaxBytes = 10 * 1024 * 1024;

    // A body takes several times its size while its signature is looked at.
    private static readonly SemaphoreSlim s_verifying = new(Environment.ProcessorCount);

    /// <summary>The body, which is a JSON object; null when there is none. Not for transactions: what one part of them holds fails all.</summary>
    public JsonElement? Content => Body.IsEmpty ? null : Parse(Body);

    public static async ValueTask<Origin?> BindAsync(HttpContext context)
    {
        var services = context.RequestServices;
        var serverName = services.GetRequiredService<Settings>().ServerName;
        var peers = services.GetRequiredService<PeerKeys>();
        var headers = context.Request.Headers.Authorization;

        // One for each key of the server, or one that is for a proxy in between.
        if (headers.Count == 0) throw Errors.Unauthorized("The request is not signed");
        var signatures = headers.Select(header => XMatrix.Parse(header!)).OfType<XMatrix>().ToList();
        if (signatures.Count == 0) throw Errors.Unauthorized("The Authorization header is not of the form of X-Matrix");
        signatures.RemoveAll(one => one.Destination is { } destination && destination != serverName);
        if (signatures.Count == 0) throw Errors.Unauthorized("The request is for another server");
        signatures.RemoveAll(one => !peers.Knows(one.Origin));
        if (signatures.Count == 0) throw Errors.Forbidden("This server does not federate with yours");

        // From here on it costs something: what is not from a peer has been refused, and of the others one is verified, whose key
        // can be had.
        var (authorization, key) = await FindKeyAsync(peers, signatures, context.RequestAborted)
            ?? throw Errors.Unauthorized("Your server has no such key");
        var body = await RequestBody.ReadAsync(context, MaxBytes);
        var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;

        // Whose request it is, is known behind this: until then, anybody can have it done.
        await s_verifying.WaitAsync(context.RequestAborted);
        try
        {
            return authorization.IsSigned(key, serverName, context.Request.Method, target, body.Span)
                ? new Origin(authorization.Origin, body)
                : throw Errors.Unauthorized("The signature is not right");
        }
        catch (JsonException)
        {
            throw Errors.NotJson();
        }
        finally
        {
            s_verifying.Release();
        }
    }

    private static async ValueTask<(XMatrix, byte[])?> FindKeyAsync(
        PeerKeys peers, List<XMatrix> signatures, CancellationToken cancellationToken)
    {
        foreach (var one in signatures)
        {
            if (await peers.FindAsync(one.Origin, one.Key, cancellationToken) is { } key) return (one, key);
        }

        return null;
    }

    private static JsonElement Parse(ReadOnlyMemory<byte> body)
    {
        try
        {
            var content = JsonElement.Parse(body.Span);
            return content.ValueKind == JsonValueKind.Object ? content : throw Errors.BadJson();
        }
        catch (JsonException)
        {
            // It is JSON, but deeper than anything that is asked for here.
            throw Errors.BadJson();
        }
    }
}
