using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;

namespace Matrix.ToDevice;

/// <summary>
/// Lets <c>.</c> and <c>..</c> be transaction IDs and event types (D2). The server removes such segments from the path
/// before routing sees it; here they are replaced by a placeholder, and <see cref="SendPath"/> reads the real ones.
/// </summary>
internal sealed class DotSegments : IStartupFilter
{
    private static readonly string[] s_prefixes =
        [.. SendPath.Versions.Select(version => SendPath.RoutePrefix(version).TrimEnd('/'))];

    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use((context, following) =>
        {
            var path = SendPath.RawPath(context);
            if (SendPath.TrySplit(path, out var prefix, out var eventType, out var txnId)
                && (IsDots(eventType.Span) || IsDots(txnId.Span))
                && IsOwn(prefix.Span) && !prefix.Span.Contains('%') && !prefix.Span.Contains("/.", StringComparison.Ordinal))
            {
                context.Request.Path = $"{prefix}/-/-";
            }

            return following(context);
        });
        next(app);
    };

    private static bool IsOwn(ReadOnlySpan<char> prefix)
    {
        foreach (var own in s_prefixes)
            if (prefix.EndsWith(own, StringComparison.Ordinal)) return true;
        return false;
    }

    private static bool IsDots(ReadOnlySpan<char> segment)
    {
        if (segment.Length > 6) return false;
        var dots = segment.ToString().Replace("%2e", ".", StringComparison.OrdinalIgnoreCase);
        return dots is "." or "..";
    }
}
