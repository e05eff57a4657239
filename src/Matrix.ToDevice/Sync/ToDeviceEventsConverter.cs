using System.ComponentModel;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Matrix.ToDevice;

/// <summary>Writes <see cref="ToDeviceEvents"/>. Public for the code that <c>System.Text.Json</c> generates.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class ToDeviceEventsConverter : JsonConverter<ToDeviceEvents>
{
    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, ToDeviceEvents value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(value);
        writer.WriteStartObject();
        WriteEvents(writer, value.Events);
        writer.WriteEndObject();
    }

    /// <summary>Not supported: a response is written, and never read.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override ToDeviceEvents Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        throw new NotSupportedException($"{nameof(ToDeviceEvents)} is written into responses, and never read.");

    internal static void WriteEvents(Utf8JsonWriter writer, IReadOnlyList<ToDeviceEvent> events)
    {
        writer.WriteStartArray("events"u8);
        foreach (var one in events) ToDeviceEvent.Write(writer, one.Sender, one.Type, one.Content.Span);
        writer.WriteEndArray();
    }
}

/// <summary>Writes a <see cref="ToDeviceExtensionResponse"/>. Public for the code that <c>System.Text.Json</c> generates.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class ToDeviceExtensionResponseConverter : JsonConverter<ToDeviceExtensionResponse>
{
    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, ToDeviceExtensionResponse value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(value);
        writer.WriteStartObject();
        writer.WriteString("next_batch"u8, value.NextBatch);
        ToDeviceEventsConverter.WriteEvents(writer, value.Events);
        writer.WriteEndObject();
    }

    /// <inheritdoc cref="ToDeviceEventsConverter.Read"/>
    public override ToDeviceExtensionResponse Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        throw new NotSupportedException($"{nameof(ToDeviceExtensionResponse)} is written into responses, and never read.");
}

/// <summary>Writes a <see cref="ToDeviceEvent"/>. Public for the code that <c>System.Text.Json</c> generates.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class ToDeviceEventConverter : JsonConverter<ToDeviceEvent>
{
    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, ToDeviceEvent value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(value);
        ToDeviceEvent.Write(writer, value.Sender, value.Type, value.Content.Span);
    }

    /// <inheritdoc cref="ToDeviceEventsConverter.Read"/>
    public override ToDeviceEvent Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        throw new NotSupportedException($"{nameof(ToDeviceEvent)} is written into responses, and never read.");
}

/// <summary>Refuses to write a <see cref="ToDeviceBatch"/>: by then it has been disposed, and its events would be missing.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class ToDeviceBatchConverter : JsonConverter<ToDeviceBatch>
{
    /// <summary>Not supported.</summary>
    /// <exception cref="NotSupportedException">Always; the message says what to return instead.</exception>
    public override void Write(Utf8JsonWriter writer, ToDeviceBatch value, JsonSerializerOptions options) =>
        throw new NotSupportedException($"Return batch.{nameof(ToDeviceBatch.ToEvents)}(): a {nameof(ToDeviceBatch)} is gone when its response is written.");

    /// <inheritdoc cref="Write"/>
    public override ToDeviceBatch Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        throw new NotSupportedException($"{nameof(ToDeviceBatch)} is never read.");
}
