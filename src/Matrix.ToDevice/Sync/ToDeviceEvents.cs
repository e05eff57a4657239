using System.Runtime.Serialization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Matrix.ToDevice;

/// <summary>
/// The value of a response's <c>to_device</c> key, for a <c>/sync</c> that returns an object: its own copy of the events, which
/// lasts as long as it is referred to. <c>System.Text.Json</c> writes it as <c>{"events": […]}</c> (R54), whatever its options.
/// </summary>
/// <remarks>
/// Contents are written as they were sent, without being parsed: how deep they nest does not matter. For other serializers there is
/// <see cref="ToDeviceEvent.ContentJson"/>.
/// </remarks>
[JsonConverter(typeof(ToDeviceEventsConverter))]
public sealed class ToDeviceEvents
{
    internal ToDeviceEvents(IReadOnlyList<InboxMessage> messages)
    {
        var bytes = new byte[messages.Sum(message => message.Content.Length)];
        var events = new ToDeviceEvent[messages.Count];
        var start = 0;
        for (var n = 0; n < events.Length; n++)
        {
            var message = messages[n];
            var content = bytes.AsMemory(start, message.Content.Length);
            message.Content.CopyTo(content);
            events[n] = new ToDeviceEvent(message.Sender, message.EventType, content);
            start += content.Length;
        }

        Events = events;
    }

    /// <summary>The events, oldest first. Empty when there are none.</summary>
    public IReadOnlyList<ToDeviceEvent> Events { get; }

    // Others than System.Text.Json, who do not know the converters, call it: Newtonsoft.Json would write each content as what it
    // knows of a ReadOnlyMemory, its length, and the device would acknowledge that.
    [OnSerializing]
    private void Refuse(StreamingContext context) => ToDeviceEvent.RefuseOtherSerializers(this);
}

/// <summary>One to-device event of a sync response. <c>System.Text.Json</c> writes it as <c>{"sender": …, "type": …, "content": …}</c>.</summary>
[JsonConverter(typeof(ToDeviceEventConverter))]
public sealed class ToDeviceEvent
{
    // Encoded once: a response has each of them a hundred times.
    private static readonly JsonEncodedText s_sender = JsonEncodedText.Encode("sender"), s_type = JsonEncodedText.Encode("type"), s_content = JsonEncodedText.Encode("content");

    internal ToDeviceEvent(string sender, string type, ReadOnlyMemory<byte> content) => (Sender, Type, Content) = (sender, type, content);

    /// <summary>The user ID of the sender.</summary>
    public string Sender { get; }

    /// <summary>The event type.</summary>
    public string Type { get; }

    /// <summary>The event's content: a JSON object in UTF-8.</summary>
    public ReadOnlyMemory<byte> Content { get; }

    /// <summary>The event's content as text, for serializers that take JSON as a string: <c>new JRaw(e.ContentJson)</c>.</summary>
    public string ContentJson => Encoding.UTF8.GetString(Content.Span);

    [OnSerializing]
    private void Refuse(StreamingContext context) => RefuseOtherSerializers(this);

    internal static void RefuseOtherSerializers(object value) => throw new NotSupportedException(
        $"Only System.Text.Json can write a {value.GetType().Name}. For Newtonsoft.Json, make an object of each event of batch.{nameof(ToDeviceBatch.ToEvents)}(), "
        + $"with new JRaw(e.{nameof(ContentJson)}) as its content.");

    internal static void Write(Utf8JsonWriter json, string sender, string type, ReadOnlySpan<byte> content)
    {
        json.WriteStartObject();
        json.WriteString(s_sender, sender);
        json.WriteString(s_type, type);
        json.WritePropertyName(s_content);
        json.WriteRawValue(content, skipInputValidation: true);
        json.WriteEndObject();
    }
}
