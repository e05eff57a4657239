using System.Buffers;
using System.Runtime.InteropServices;
using System.Runtime.Serialization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Matrix.ToDevice;

/// <summary>
/// The to-device part of one sync response. Write it with <see cref="WriteTo"/> and dispose it then; a <c>/sync</c> that returns an
/// object returns <see cref="ToEvents"/>, which needs no disposing.
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

    /// <summary>Whether there are no messages: then the response has no <c>to_device</c> (R54).</summary>
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

        lock (_copying)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            json.WriteStartObject();
            WriteEvents(json);
            json.WriteEndObject();
        }
    }

    /// <summary>Writes only the member <c>events</c>, for a response that has it among others.</summary>
    internal void WriteEventsTo(Utf8JsonWriter json)
    {
        lock (_copying)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            WriteEvents(json);
        }
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

    /// <summary>Gives the memory of the contents back. Harmless when repeated.</summary>
    public void Dispose()
    {
        lock (_copying)
        {
            _disposed = true;
            _page.Dispose();
        }
    }

    private void WriteEvents(Utf8JsonWriter json)
    {
        json.WriteStartArray("events"u8);
        foreach (var message in _page.Messages) ToDeviceEvent.Write(json, message.Sender, message.EventType, message.Content.Span);
        json.WriteEndArray();
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
