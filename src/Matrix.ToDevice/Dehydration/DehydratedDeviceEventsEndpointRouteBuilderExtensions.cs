using Matrix.ToDevice;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Maps the events of dehydrated devices.</summary>
public static class DehydratedDeviceEventsEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Maps <c>GET /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{device_id}/events</c> with <c>from</c>, and
    /// <c>POST</c> with <c>next_batch</c> in its body, as an older draft of MSC3814 has it (R110). The response is
    /// <c>{"events": […], "next_batch": …}</c>; that of a GET has <c>next_batch</c> if and only if there are more events, that of a
    /// POST always. The dehydrated device itself is the host's.
    /// </summary>
    /// <remarks>
    /// Nothing is deleted (R111). Answers 400 <c>M_INVALID_PARAM</c> to what is not a token of that device; 401 and 403 as
    /// <see cref="IAuthResolver"/> says, and 403 <c>M_FORBIDDEN</c> for any device but the requester's dehydrated one (R112); 503 with
    /// <c>Retry-After</c> when the store cannot be reached.
    /// </remarks>
    /// <exception cref="InvalidOperationException">A part of the module is not registered, or cannot work as it is; the message names the call.</exception>
    public static IEndpointConventionBuilder MapDehydratedDeviceEvents(this IEndpointRouteBuilder endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        Registration.Check(endpoints.ServiceProvider, nameof(MapDehydratedDeviceEvents));
        Registration.Require<IDehydratedDevices>(
            endpoints.ServiceProvider, nameof(MapDehydratedDeviceEvents), ".UseDehydratedDevices<YourDehydratedDevices>() behind AddSendToDevice()");

        var prefix = DehydratedDevicePath.RoutePrefix;
        var routes = new MatrixRoutes(endpoints);
        var get = endpoints.MapGet(
            prefix + "{device_id}/events",
            (string device_id, string? from, HttpContext context) =>
                context.RequestServices.GetRequiredService<DehydratedDeviceEventsHandler>().HandleAsync(context));
        var post = endpoints.MapPost(
            prefix + "{device_id}/events",
            (string device_id, HttpContext context) =>
                context.RequestServices.GetRequiredService<DehydratedDeviceEventsHandler>().HandleAsync(context))
            .WithMetadata(AnyContentType.Instance);
        Describe(get, routes.NameOf("DehydratedDeviceEvents"));
        Describe(post, routes.NameOf("DehydratedDeviceEvents_post"));
        // Below the device, so that the paths of the device itself are the host's.
        routes.Add(
            [(HttpMethods.Get, get), (HttpMethods.Post, post)], prefix + "{device_id}/{**path}", context => DehydratedDevicePath.TryRead(context, out _));
        return routes;
    }

    private static void Describe(RouteHandlerBuilder endpoint, string name)
    {
        endpoint.WithName(name).WithTags("Send-to-Device messaging").WithSummary("Get the to-device messages of the user's dehydrated device.");
        foreach (var status in (ReadOnlySpan<int>)[200, 400, 401, 403, 503])
            endpoint.WithMetadata(new ProducesResponseTypeMetadata(status, typeof(void), ["application/json"]));
    }
}
