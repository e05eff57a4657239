using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Matrix.ToDevice;

/// <summary>
/// The event type and the transaction ID of a request, read from the request line as the client sent it. Route values
/// cannot serve: the server has decoded them once already, and gives the same text for <c>%2F</c> and <c>%252F</c> (D2).
/// </summary>
internal static class SendPath
{
    public const string EndpointName = "sendToDevice";

    /// <summary>The versions under which the endpoint is served (R15).</summary>
    public static IReadOnlyList<string> Versions { get; } = ["v3", "r0", "unstable"];

    /// <summary>What stands before the event type.</summary>
    public static string RoutePrefix(string version) => $"/_matrix/client/{version}/{EndpointName}/";

    /// <summary>The last two segments of the path, still encoded. False when the path is not exactly this endpoint's (D1).</summary>
    public static bool TryRead(HttpContext context, string routePrefix, out ReadOnlyMemory<char> eventType, out ReadOnlyMemory<char> txnId)
    {
        // Routing ignores case; the specification does not.
        return TrySplit(RawPath(context), out var prefix, out eventType, out txnId)
            && prefix.Span.EndsWith(routePrefix.AsSpan().TrimEnd('/'), StringComparison.Ordinal);
    }

    /// <summary>Splits <c>…/sendToDevice/{eventType}/{txnId}</c>; neither of the two may be empty.</summary>
    public static bool TrySplit(
        ReadOnlyMemory<char> path, out ReadOnlyMemory<char> prefix, out ReadOnlyMemory<char> eventType, out ReadOnlyMemory<char> txnId)
    {
        prefix = path;
        eventType = default;
        return TakeLast(ref prefix, out txnId) && TakeLast(ref prefix, out eventType)
            && prefix.Span.EndsWith("/" + EndpointName, StringComparison.Ordinal);

        static bool TakeLast(ref ReadOnlyMemory<char> path, out ReadOnlyMemory<char> segment)
        {
            var slash = path.Span.LastIndexOf('/');
            segment = path[(slash + 1)..];
            if (slash < 0 || segment.IsEmpty) return false;
            path = path[..slash];
            return true;
        }
    }

    /// <summary>The path of the request line, without the query.</summary>
    public static ReadOnlyMemory<char> RawPath(HttpContext context)
    {
        var target = context.Features.Get<IHttpRequestFeature>()?.RawTarget;
        // Servers other than Kestrel may not have it. What they decoded can be encoded again, save for the %2F above.
        if (string.IsNullOrEmpty(target)) target = context.Request.Path.ToUriComponent();
        var start = 0;
        if (!target.StartsWith('/'))
        {
            // The absolute form, as proxies get it: the path is behind the authority.
            var scheme = target.IndexOf("://", StringComparison.Ordinal);
            start = scheme < 0 ? -1 : target.IndexOf('/', scheme + "://".Length);
            if (start < 0) return ReadOnlyMemory<char>.Empty;
        }

        var query = target.IndexOf('?', start);
        return query < 0 ? target.AsMemory(start) : target.AsMemory(start, query - start);
    }

    /// <summary>Decodes a segment.</summary>
    /// <exception cref="ToDeviceErrorException">It is not percent-encoded UTF-8, or holds the character NUL.</exception>
    public static string Decode(ReadOnlySpan<char> segment, string name)
    {
        if (!segment.Contains('%') && Ascii.IsValid(segment)) return segment.ToString();

        var rented = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(segment.Length));
        try
        {
            var length = Encoding.UTF8.GetBytes(segment, rented);
            var decoded = 0;
            for (var i = 0; i < length; i++)
            {
                var value = rented[i];
                if (value == '%')
                {
                    if (i + 2 >= length || !byte.TryParse(
                            rented.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value))
                    {
                        throw Malformed(name);
                    }

                    i += 2;
                }

                if (value == 0) throw Malformed(name);
                rented[decoded++] = value;
            }

            var text = rented.AsSpan(0, decoded);
            return Utf8.IsValid(text) ? Encoding.UTF8.GetString(text) : throw Malformed(name);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    // Refused rather than guessed at: two different requests that were read as the same transaction would lose a message.
    private static ToDeviceErrorException Malformed(string name) =>
        new(ToDeviceError.InvalidParam($"{name} in the path is not percent-encoded UTF-8"));
}
