using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>
/// Logs the <c>org.matrix.msgid</c> that clients put into contents, so that a message can be followed from the send to
/// the sync response (D17).
/// </summary>
internal static class MessageTrace
{
    private static ReadOnlySpan<byte> Key => "org.matrix.msgid"u8;

    public static void Accepted(ILogger logger, IReadOnlyList<ToDeviceMessage> messages)
    {
        if (!logger.IsEnabled(LogLevel.Information)) return;
        foreach (var message in messages)
            if (Find(message.Content.Span) is { } id) Log.MessageAccepted(logger, id, message.EventType, message.Sender);
    }

    public static void HandedOut(ILogger logger, IReadOnlyList<InboxMessage> messages)
    {
        if (!logger.IsEnabled(LogLevel.Information)) return;
        foreach (var message in messages)
            if (Find(message.Content.Span) is { } id) Log.MessageHandedOut(logger, id, message.EventType, message.Sender);
    }

    private static string? Find(ReadOnlySpan<byte> content)
    {
        // Most contents have it or have it not in plain letters: the scan spares the others the parsing.
        if (content.IndexOf(Key) < 0) return null;

        var reader = new Utf8JsonReader(content, new JsonReaderOptions { MaxDepth = int.MaxValue });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var found = reader.ValueTextEquals(Key);
            reader.Read();
            if (found) return reader.TokenType == JsonTokenType.String ? Text(reader) : null;
            reader.Skip();
        }

        return null;
    }

    private static string? Text(Utf8JsonReader reader)
    {
        // It is the client's text: bounded, and on one line.
        if (reader.ValueIsEscaped || reader.ValueSpan.Length > 100) return null;
        return reader.GetString();
    }
}
