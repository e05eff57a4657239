using System.Text.Json;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The body of a sliding sync. What a room would have to do with is accepted and has no effect.</summary>
/// <param name="ConnId">Which of the device's connections it is.</param>
/// <param name="TxnId">Comes back in the response.</param>
/// <param name="Pos">The <c>pos</c> of the last response on this connection that the client has processed.</param>
/// <param name="Timeout">How long to wait for news, in milliseconds.</param>
/// <param name="SetPresence">There is no presence here.</param>
/// <param name="Lists">The lists of rooms that the client wants.</param>
/// <param name="RoomSubscriptions">The rooms that it wants in any case.</param>
/// <param name="Extensions">What it wants besides; a name that nobody knows here is one of a newer client (R127).</param>
internal sealed record SlidingSyncBody(
    string? ConnId,
    string? TxnId,
    string? Pos,
    long? Timeout,
    string? SetPresence,
    Dictionary<string, JsonElement>? Lists,
    Dictionary<string, JsonElement>? RoomSubscriptions,
    Dictionary<string, JsonElement>? Extensions)
{
    private const int MaxEntries = 100;

    public SyncRequest ReadRequest(HttpContext context, DeviceAddress device, ExtensionNames names)
    {
        if (SetPresence is not (null or "online" or "offline" or "unavailable"))
            throw Errors.InvalidParam("set_presence", "online, offline or unavailable");
        CheckEntries("lists", Lists);
        CheckEntries("room_subscriptions", RoomSubscriptions);

        // MSC4186 has moved them into the body; clients of the experiment have them in the query.
        var pos = context.Request.Query["pos"].FirstOrDefault() ?? Pos;
        var timeout = SyncQuery.ReadTimeout(context) ?? Timeout ?? 0;
        if (timeout < 0) throw Errors.InvalidParam("timeout", "a number of milliseconds");

        // Without a pos it is about what there is, which is there at once.
        return new SyncRequest(
            ToDeviceExtensionRequest.Parse(ConfigOf(names.ToDevice)),
            WantsKeys(ConfigOf(names.Keys)),
            WantsAccountData: false,
            pos is null ? null : SlidingSyncPos.Parse(pos, device, ConnId),
            pos is null ? TimeSpan.Zero : TimeSpan.FromMilliseconds(Math.Min(timeout, int.MaxValue)));
    }

    private JsonElement ConfigOf(string name) => Extensions?.GetValueOrDefault(name) ?? default;

    private static bool WantsKeys(JsonElement config)
    {
        if (config.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null) return false;
        if (config.ValueKind != JsonValueKind.Object) throw Errors.BadJson();
        if (!config.TryGetProperty("enabled", out var enabled)) return false;
        return enabled.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False or JsonValueKind.Null => false,
            _ => throw Errors.BadJson(),
        };
    }

    private static void CheckEntries(string name, Dictionary<string, JsonElement>? entries)
    {
        if (entries?.Count > MaxEntries) throw Errors.InvalidParam(name, $"at most {MaxEntries}");
        if (entries?.Values.Any(entry => entry.ValueKind != JsonValueKind.Object) == true) throw Errors.BadJson();
    }
}
