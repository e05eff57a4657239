using System.Buffers;
using System.Runtime.InteropServices;
using System.Runtime.Serialization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Matrix.ToDevice;

/// <summary>
/// The to-device part of one sync response. Write it with <see cref="WriteTo"/>, a sliding sync with <see cref="WriteExtensionTo"/>, and
/// dispose it then; a host that returns an object returns <see cref="ToEvents"/> or <see cref="ToExtension"/>, which need no disposing.
/// </summary>
[JsonConverter(typeof(ToDeviceBatchConverter))]
public sealed class ToDeviceBatch : IDisposable
{
    // Whoever copies the contents has the memory to the end, also when somebody else disposes the batch meanwhile.
    private readonly Lock _copying = new();
    private readonly InboxPage _page;
    private InboxMessage[]? _events;
    private volatile bool _disposed;

    /// <summary>Makes a batch, as <see cref="ToDeviceSync"/> does and a host's own tests may.</summary>
    /// <param name="page">The messages; the batch disposes it.</param>
    /// <param name="nextBatch">The token.</param>
    public ToDeviceBatch(InboxPage page, string nextBatch) => (_page, NextBatch, IsEmpty) =
        (page ?? throw new ArgumentNullException(nameof(page)), nextBatch, page.Messages.Count == 0);

    /// <summary>
    /// The messages, oldest first. Their contents lie in memory that is used again when this batch is disposed: whoever looks at one
    /// after that gets an <see cref="ObjectDisposedException"/>, also through a <see cref="JsonDocument"/> that was parsed from it.
    /// </summary>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    public IReadOnlyList<InboxMessage> Events
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _events ??= [.. _page.Messages.Select(message => message with { Content = new Guard(this, message.Content).Memory })];
        }
    }

    /// <summary>Whether there are no messages: then the response has no <c>to_device</c> (R54), and needs none of a sliding sync (R121).</summary>
    public bool IsEmpty { get; }

    /// <summary>
    /// The token with which the device says that it has these messages: its next <c>since</c>. Letters, digits, <c>-</c>
    /// and <c>_</c>, so that a host can embed it in its own <c>next_batch</c>. It differs from the request's token
    /// whenever there are messages (D18).
    /// </summary>
    public string NextBatch { get; }

    /// <summary>Whether more messages were waiting; the next sync gets them at once (D13, R58).</summary>
    public bool Limited => _page.HasMore;

    /// <summary>Writes the value of the response's <c>to_device</c> key: <c>{"events": […]}</c> (R54).</summary>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    public void WriteTo(Utf8JsonWriter json)
    {
        ArgumentNullException.ThrowIfNull(json);
        Write(json, nextBatch: null);
    }

    /// <summary>
    /// Writes the <c>to_device</c> section of a sliding-sync response's <c>extensions</c>: <c>{"next_batch": …, "events": […]}</c> (R121).
    /// </summary>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    public void WriteExtensionTo(Utf8JsonWriter json)
    {
        ArgumentNullException.ThrowIfNull(json);
        Write(json, NextBatch);
    }

    /// <summary>A copy for a response that is an object: the value of its <c>to_device</c> key.</summary>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    public ToDeviceEvents ToEvents()
    {
        lock (_copying)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return new ToDeviceEvents(_page.Messages);
        }
    }

    /// <summary>A copy for a sliding-sync response that is an object: its <c>to_device</c> section.</summary>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    public ToDeviceExtensionResponse ToExtension() => new(NextBatch, ToEvents().Events);

    /// <summary>Gives the memory of the contents back. Harmless when repeated.</summary>
    public void Dispose()
    {
        lock (_copying)
        {
            _disposed = true;
            _page.Dispose();
        }
    }

    /// <summary>Writes an object with the events, and with a token if there is one.</summary>
    internal void Write(Utf8JsonWriter json, string? nextBatch)
    {
        lock (_copying)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            json.WriteStartObject();
            if (nextBatch is not null) json.WriteString("next_batch"u8, nextBatch);
            json.WriteStartArray("events"u8);
            foreach (var message in _page.Messages) ToDeviceEvent.Write(json, message.Sender, message.EventType, message.Content.Span);
            json.WriteEndArray();
            json.WriteEndObject();
        }
    }

    [OnSerializing]
    private void Refuse(StreamingContext context) => ToDeviceEvent.RefuseOtherSerializers(this);

    /// <summary>A content, for as long as its batch is there.</summary>
    private sealed class Guard(ToDeviceBatch batch, ReadOnlyMemory<byte> content) : MemoryManager<byte>
    {
        public override Memory<byte> Memory => CreateMemory(content.Length);

        public override Span<byte> GetSpan()
        {
            ObjectDisposedException.ThrowIf(batch._disposed, batch);
            return MemoryMarshal.AsMemory(content).Span;
        }

        public override MemoryHandle Pin(int elementIndex = 0)
        {
            ObjectDisposedException.ThrowIf(batch._disposed, batch);
            return content[elementIndex..].Pin();
        }

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
