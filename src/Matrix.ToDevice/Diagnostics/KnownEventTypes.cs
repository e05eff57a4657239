using System.Collections.Frozen;

namespace Matrix.ToDevice;

/// <summary>
/// The to-device event types of the specification. An event type is the client's choice: as a metric's tag, any other is
/// <c>_OTHER</c>, so that nobody can make new time series by sending.
/// </summary>
internal static class KnownEventTypes
{
    public const string Other = "_OTHER";

    private static readonly FrozenSet<string> s_types = FrozenSet.Create(
        StringComparer.Ordinal,
        "m.dummy",
        "m.forwarded_room_key",
        "m.key.verification.accept",
        "m.key.verification.cancel",
        "m.key.verification.done",
        "m.key.verification.key",
        "m.key.verification.mac",
        "m.key.verification.ready",
        "m.key.verification.request",
        "m.key.verification.start",
        "m.room.encrypted",
        "m.room_key",
        "m.room_key.withheld",
        "m.room_key_request",
        "m.secret.request",
        "m.secret.send");

    public static string Tag(string? eventType) => eventType is not null && s_types.Contains(eventType) ? eventType : Other;
}
