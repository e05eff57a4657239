namespace Matrix.ToDevice;

/// <summary>What waits in a store.</summary>
/// <param name="Messages">Messages in all inboxes.</param>
/// <param name="Inboxes">Inboxes that are not empty.</param>
/// <param name="LargestInbox">Messages in the inbox that has the most.</param>
/// <param name="OldestMessage">When the oldest of the messages was committed; null when there are none.</param>
/// <param name="Working">What waits for destinations that have not failed.</param>
/// <param name="Failing">What waits for destinations whose last transaction failed.</param>
public sealed record StoreStatistics(
    long Messages, long Inboxes, long LargestInbox, DateTimeOffset? OldestMessage, OutboxStatistics Working, OutboxStatistics Failing);

/// <summary>What waits in an outbox, for some of the destinations.</summary>
/// <param name="Destinations">Destinations for which something waits.</param>
/// <param name="Edus">EDUs.</param>
/// <param name="OldestEdu">When the oldest of them was committed; null when there are none.</param>
public readonly record struct OutboxStatistics(long Destinations, long Edus, DateTimeOffset? OldestEdu);

/// <summary>How much waits in an inbox.</summary>
/// <param name="Messages">Messages.</param>
/// <param name="Bytes">Bytes of their contents.</param>
public readonly record struct InboxSize(long Messages, long Bytes);
