using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>
/// Logs the <c>org.matrix.msgid</c> that clients put into contents, so that a message can be followed from the send to
/// the sync response (D17).
/// </summary>
internal static class MessageTrace
{
    private const int MaxLength = 100;

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

        try
        {
            return Read(content);
        }
        catch (JsonException)
        {
            // It came out of a store. What a client cannot read, it will say itself.
            return null;
        }
    }

    private static string? Read(ReadOnlySpan<byte> content)
    {
        var reader = new Utf8JsonReader(content, new JsonReaderOptions { MaxDepth = int.MaxValue });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var found = JsonText.Equals(reader.ValueSpan, Key);
            reader.Read();
            // The client's text: bounded, and nothing that would have to be unescaped.
            if (found && reader.TokenType == JsonTokenType.String && !reader.ValueIsEscaped && reader.ValueSpan.Length <= MaxLength)
                return reader.GetString();
            if (found) return null;
            reader.Skip();
        }

        return null;
    }
}
