namespace Matrix.ToDevice.Tool;

/// <summary>What a store holds, in numbers.</summary>
internal sealed record Inspection(
    string Store, string Kind, string? Layout, int SchemaVersion, bool? InUse, MessageTotals Messages, UndeliveredTotals? Undelivered, OutboxTotals Outbox,
    RecordTotals Records, IReadOnlyList<SizeLine> Sizes);

/// <param name="Messages">Messages that no device has acknowledged.</param>
/// <param name="Bytes">Bytes of their contents.</param>
/// <param name="Inboxes">Inboxes that are not empty.</param>
/// <param name="Oldest">When the oldest was committed.</param>
internal sealed record MessageTotals(long Messages, long Bytes, long Inboxes, DateTimeOffset? Oldest);

/// <summary>What was accepted and is not yet where it belongs, in a layout where that can be.</summary>
/// <param name="Parts">Parts of sends: one for each bucket that a send has recipients in.</param>
/// <param name="Oldest">When the oldest was accepted.</param>
internal sealed record UndeliveredTotals(long Parts, DateTimeOffset? Oldest);

internal sealed record OutboxTotals(long Edus, long Bytes, long Destinations, long InTrouble, DateTimeOffset? Oldest);

/// <param name="Sends">Transactions of clients.</param>
/// <param name="Edus">EDUs of other servers.</param>
/// <param name="Oldest">The last use of the one that was not used for the longest time.</param>
internal sealed record RecordTotals(long Sends, long Edus, DateTimeOffset? Oldest);

internal sealed record SizeLine(string Name, long Bytes);

internal sealed record InboxLine(string UserId, string DeviceId, long Messages, long Bytes, DateTimeOffset? Oldest);

/// <param name="NextTry">Until when it is left alone; null when it is not.</param>
/// <param name="Holder">Who sends to it.</param>
internal sealed record DestinationLine(
    string Destination, long Edus, long Bytes, DateTimeOffset? Oldest, long Failures, DateTimeOffset? NextTry, string? Holder);

internal sealed record MessageLine(
    long Sequence, long SendId, string Sender, string EventType, long Bytes, DateTimeOffset? CommittedAt, string? Content);
