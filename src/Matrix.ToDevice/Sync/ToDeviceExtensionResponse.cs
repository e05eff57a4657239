using System.Runtime.Serialization;
using System.Text.Json.Serialization;

namespace Matrix.ToDevice;

/// <summary>
/// The <c>to_device</c> section of a sliding-sync response (MSC4538), for a host that returns an object: its own copy, which lasts as
/// long as it is referred to. <c>System.Text.Json</c> writes it as <c>{"next_batch": …, "events": […]}</c> (R121), whatever its options.
/// </summary>
/// <remarks>Contents are written as they were sent. For other serializers there is <see cref="ToDeviceEvent.ContentJson"/>.</remarks>
[JsonConverter(typeof(ToDeviceExtensionResponseConverter))]
public sealed class ToDeviceExtensionResponse
{
    internal ToDeviceExtensionResponse(string nextBatch, IReadOnlyList<ToDeviceEvent> events) => (NextBatch, Events) = (nextBatch, events);

    /// <summary>The token with which the device says that it has these events: its next <c>since</c>.</summary>
    public string NextBatch { get; }

    /// <summary>The events, oldest first. Empty when there are none.</summary>
    public IReadOnlyList<ToDeviceEvent> Events { get; }

    [OnSerializing]
    private void Refuse(StreamingContext context) => ToDeviceEvent.RefuseOtherSerializers(this);
}
