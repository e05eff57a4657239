using Matrix.ToDevice;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Maps the send-to-device endpoint.</summary>
public static class SendToDeviceEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Maps <c>PUT /_matrix/client/{v3,r0,unstable}/sendToDevice/{eventType}/{txnId}</c> (R20, R15): one endpoint under
    /// three prefixes, so a retry under another prefix is the same transaction (D1).
    /// </summary>
    /// <remarks>
    /// Answers 200 <c>{}</c> when the messages have been accepted, now or by an earlier request with the same transaction;
    /// 400 <c>M_NOT_JSON</c>, <c>M_BAD_JSON</c> or <c>M_INVALID_PARAM</c>; 401 and 403 as <see cref="IAuthResolver"/> says;
    /// 413 <c>M_TOO_LARGE</c>; 503 with <c>Retry-After</c> when the store cannot be reached. Also answers <c>OPTIONS</c>,
    /// wrong methods (405) and unknown paths below it (404). May be mapped more than once, in groups of routes for example.
    /// </remarks>
    /// <exception cref="InvalidOperationException">A part of the module is not registered, or cannot work as it is; the message names the call.</exception>
    public static IEndpointConventionBuilder MapSendToDevice(this IEndpointRouteBuilder endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        Registration.Check(endpoints.ServiceProvider, nameof(MapSendToDevice));

        var routes = new MatrixRoutes(endpoints);
        var handler = new RequestHandler<SendToDeviceHandler>(endpoints.ServiceProvider);
        foreach (var version in SendPath.Versions)
        {
            var prefix = SendPath.RoutePrefix(version);
            var endpoint = endpoints.MapPut(
                prefix + "{eventType}/{txnId}",
                (string eventType, string txnId, HttpContext context) => handler.Of(context).HandleAsync(context, prefix))
                .WithName(routes.NameOf($"SendToDevice_{version}"))
                .WithTags("Send-to-Device messaging")
                .WithSummary("Send an event to a given set of devices.")
                .WithMetadata(AnyContentType.Instance)
                .WithMetadata(Responses);
            routes.Add(endpoint, prefix + "{**path}", HttpMethods.Put, context => SendPath.TryRead(context, prefix, out _, out _));
        }

        return routes;
    }

    private static object[] Responses { get; } =
    [
        new ProducesResponseTypeMetadata(200, typeof(void), ["application/json"]),
        new ProducesResponseTypeMetadata(400, typeof(void), ["application/json"]),
        new ProducesResponseTypeMetadata(401, typeof(void), ["application/json"]),
        new ProducesResponseTypeMetadata(413, typeof(void), ["application/json"]),
        new ProducesResponseTypeMetadata(429, typeof(void), ["application/json"]),
        new ProducesResponseTypeMetadata(503, typeof(void), ["application/json"]),
    ];
}
