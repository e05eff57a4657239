using Matrix.ToDevice;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Maps a <c>/sync</c> that carries to-device messages and nothing else.</summary>
public static class ToDeviceSyncEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Maps <c>GET /_matrix/client/{v3,r0}/sync</c> with <c>since</c> and <c>timeout</c> (milliseconds), for hosts that
    /// have no <c>/sync</c> of their own. Its response is <c>{"next_batch": …, "to_device": {"events": […]}}</c>; without
    /// messages <c>to_device</c> is left out (R54). May be mapped more than once, in groups of routes for example.
    /// </summary>
    /// <exception cref="InvalidOperationException">A part of the module is not registered, or cannot work as it is; the message names the call.</exception>
    public static IEndpointConventionBuilder MapToDeviceSync(this IEndpointRouteBuilder endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        Registration.Check(endpoints.ServiceProvider, nameof(MapToDeviceSync));

        var routes = new MatrixRoutes(endpoints);
        var handler = new RequestHandler<ToDeviceSyncHandler>(endpoints.ServiceProvider);
        foreach (var version in (ReadOnlySpan<string>)["v3", "r0"])
        {
            var pattern = $"/_matrix/client/{version}/sync";
            var endpoint = endpoints.MapGet(
                pattern,
                (string? since, string? timeout, HttpContext context) => handler.Of(context).HandleAsync(context, since, timeout))
                .WithName(routes.NameOf($"ToDeviceSync_{version}"))
                .WithTags("Send-to-Device messaging")
                .WithSummary("Get the to-device messages that the device has not acknowledged.")
                .WithMetadata(new ProducesResponseTypeMetadata(200, typeof(void), ["application/json"]))
                .WithMetadata(new ProducesResponseTypeMetadata(400, typeof(void), ["application/json"]))
                .WithMetadata(new ProducesResponseTypeMetadata(401, typeof(void), ["application/json"]));
            routes.Add(endpoint, pattern, HttpMethods.Get, _ => true);
        }

        return routes;
    }
}
