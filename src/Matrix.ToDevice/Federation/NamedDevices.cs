using System.Text;
using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>The devices of its sender that an EDU speaks of, for <see cref="IRemoteDeviceObserver"/>.</summary>
internal static class NamedDevices
{
    // A request goes from one device. What names many is not from a client.
    private const int MaxDevices = 4;
    private const int MaxBytes = 255;

    /// <summary>Each once, and no more than a few: anybody can write anything.</summary>
    public static IReadOnlyCollection<string> Find(string eventType, SendBody body)
    {
        var key = KeyOf(eventType);
        if (key.IsEmpty) return [];

        var found = new HashSet<string>();
        ReadOnlyMemory<byte> last = default;
        for (var user = 0; user < body.UserIds.Count; user++)
        {
            foreach (var target in body.TargetsOf(user))
            {
                // Mostly, all recipients get the same.
                var content = body.ContentOf(target);
                if (content.Span.SequenceEqual(last.Span)) continue;
                last = content;
                if (Read(content.Span, key) is { } deviceId && found.Add(deviceId) && found.Count == MaxDevices) return found;
            }
        }

        return found;
    }

    private static ReadOnlySpan<byte> KeyOf(string eventType) => eventType switch
    {
        "m.room_key_request" => "requesting_device_id"u8,
        "m.key.verification.request" or "m.key.verification.ready" or "m.key.verification.start" => "from_device"u8,
        _ => default,
    };

    private static string? Read(ReadOnlySpan<byte> content, ReadOnlySpan<byte> key)
    {
        var reader = new Utf8JsonReader(content, new JsonReaderOptions { MaxDepth = int.MaxValue });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var found = JsonText.Equals(reader.ValueSpan, key);
            reader.Read();
            if (found)
            {
                return reader.TokenType == JsonTokenType.String && JsonText.Decode(reader.ValueSpan) is { Length: > 0 } text
                    && Encoding.UTF8.GetByteCount(text) <= MaxBytes ? text : null;
            }

            reader.Skip();
        }

        return null;
    }
}
