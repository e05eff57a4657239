using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing.Patterns;

namespace LocalHomeserver;

/// <summary>
/// Takes paths as the client wrote them. Routing gives one value for <c>%2F</c> and <c>%252F</c>, but a device ID or a
/// user ID may hold either; and it ignores case, which Matrix does not.
/// </summary>
internal static class ExactPaths
{
    public static void UseExactPaths(this WebApplication app) => app.Use((context, next) =>
    {
        if (context.GetEndpoint() is RouteEndpoint endpoint && !TakeExactly(context, endpoint.RoutePattern))
            context.SetEndpoint(null);

        return next(context);
    });

    private static bool TakeExactly(HttpContext context, RoutePattern pattern)
    {
        var path = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget.Split('?')[0];
        var segments = path.TrimEnd('/').Split('/')[1..];
        // With dots in it, or in its absolute form, the path cannot be compared: what routing made of it has to do.
        if (segments.Length != pattern.PathSegments.Count) return true;

        for (var i = 0; i < segments.Length; i++)
        {
            var segment = Uri.UnescapeDataString(segments[i]);
            switch (pattern.PathSegments[i].Parts)
            {
                case [RoutePatternLiteralPart literal] when literal.Content != segment:
                    return false;
                case [RoutePatternParameterPart parameter]:
                    context.Request.RouteValues[parameter.Name] = segment;
                    break;
            }
        }

        return true;
    }
}
