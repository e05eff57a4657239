using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>The to-device part of one sync response. Dispose it when it has been written.</summary>
public sealed class ToDeviceBatch : IDisposable
{
    private readonly InboxPage _page;
    private bool _disposed;

    internal ToDeviceBatch(InboxPage page, string nextBatch) => (_page, NextBatch) = (page, nextBatch);

    /// <summary>The messages, oldest first. Their contents are valid until this batch is disposed.</summary>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    public IReadOnlyList<InboxMessage> Events
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _page.Messages;
        }
    }

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

        var events = Events;
        json.WriteStartObject();
        json.WriteStartArray("events"u8);
        foreach (var message in events)
        {
            json.WriteStartObject();
            json.WriteString("sender"u8, message.Sender);
            json.WriteString("type"u8, message.EventType);
            json.WritePropertyName("content"u8);
            json.WriteRawValue(message.Content.Span, skipInputValidation: true);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Gives the memory of the contents back. Harmless when repeated.</summary>
    public void Dispose()
    {
        _disposed = true;
        _page.Dispose();
    }
}
