using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>A device's inbox, seen from the outside. Contents are not shown.</summary>
/// <param name="Pending">What the device has not acknowledged, oldest first, as far as one sync response can hold it.</param>
/// <param name="HasMore">Whether there is more behind that.</param>
/// <param name="Acknowledged">
/// How many messages the device has acknowledged since it was created. Null when the inbox is empty and this host has not
/// handed anything out of it since its start.
/// </param>
internal sealed record TrialInbox(IReadOnlyList<TrialMessage> Pending, bool HasMore, long? Acknowledged)
{
    public static async Task<TrialInbox> ReadAsync(
        DeviceAddress device, IDeviceInbox inbox, SendToDeviceOptions options, HandOuts handOuts, CancellationToken cancellationToken)
    {
        using var page = await inbox.ReadAsync(device, InboxPosition.Start, options.SyncLimit, options.SyncMaxBytes, cancellationToken);
        var messages = page.Messages;

        // A response starts at the oldest pending message. So the last one, if its end is still pending, is all up to there.
        var last = handOuts.LastOf(device);
        var handedOut = 1 + messages.Select(message => message.Position).ToList().FindLastIndex(position => position == last);

        // Positions count from 1, and what is acknowledged is gone from the front.
        return new TrialInbox(
            [.. messages.Select((message, i) => new TrialMessage(message.Position.Sequence, message.Sender, message.EventType, i < handedOut))],
            page.HasMore,
            messages.Count > 0 ? messages[0].Position.Sequence - 1 : last?.Sequence);
    }
}

/// <summary>A message that is not acknowledged.</summary>
/// <param name="Position">Its number in this inbox.</param>
/// <param name="Sender">Who sent it.</param>
/// <param name="Type">The event type.</param>
/// <param name="HandedOut">Whether the last response to the device held it.</param>
internal sealed record TrialMessage(long Position, string Sender, string Type, bool HandedOut);
