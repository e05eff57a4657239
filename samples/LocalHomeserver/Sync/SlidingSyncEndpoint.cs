namespace LocalHomeserver;

/// <summary>
/// <c>POST sync</c>, the sliding sync (MSC4186), with its extensions for to-device messages (MSC4538) and for keys (MSC4543). There are
/// no rooms here: every list is empty.
/// </summary>
internal static class SlidingSyncEndpoint
{
    public static void MapSlidingSync(this IEndpointRouteBuilder app)
    {
        // Under the path of the specification, an extension that has not been accepted yet has a name of its own (R126).
        Map(app.MapGroup("/_matrix/client/unstable/org.matrix.simplified_msc3575"), new ExtensionNames("to_device", "e2ee"));
        Map(app.MapGroup("/_matrix/client/v4"), new ExtensionNames("org.matrix.msc4538.to_device", "org.matrix.msc4543.e2ee"));
    }

    private static void Map(RouteGroupBuilder client, ExtensionNames names) => client.MapPost(
        "/sync",
        async (HttpContext context, Caller caller, Body<SlidingSyncBody> body, SyncAnswer answer) =>
        {
            var request = body.Value.ReadRequest(context, caller.Device, names);
            var response = new SlidingSyncResponse(caller.Device, body.Value, request, names);
            await answer.WriteAsync(context, caller, request, response.Write);
        });
}

/// <summary>What the extensions are called in requests and responses.</summary>
internal sealed record ExtensionNames(string ToDevice, string Keys);
