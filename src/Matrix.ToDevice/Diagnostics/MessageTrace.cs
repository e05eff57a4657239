using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>
/// Logs the <c>org.matrix.msgid</c> that clients put into contents, so that a message can be followed from the send to
/// the sync response (D17).
/// </summary>
internal static class MessageTrace
{
    public static void Accepted(ILogger logger, IReadOnlyList<ToDeviceMessage> messages)
    {
        if (!logger.IsEnabled(LogLevel.Information)) return;
        foreach (var message in messages)
            if (MessageIds.Find(message.Content.Span) is { } id) Log.MessageAccepted(logger, id, message.EventType, message.Sender);
    }

    public static void HandedOut(ILogger logger, IReadOnlyList<InboxMessage> messages)
    {
        if (!logger.IsEnabled(LogLevel.Information)) return;
        foreach (var message in messages)
            if (MessageIds.Find(message.Content.Span) is { } id) Log.MessageHandedOut(logger, id, message.EventType, message.Sender);
    }
}
