using System.Buffers;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>
/// Packs the messages of one send for appservices into entries of their queues: JSON arrays of about 64 KiB, or of one message that is
/// larger. Each content is as it was sent (D9): nothing is signed, so that it needs no canonical form.
/// </summary>
/// <param name="send">The send.</param>
/// <param name="maxBytes">The most bytes of messages for one appservice.</param>
internal sealed class AppserviceEntries(SendHead send, int maxBytes)
{
    private const int MaxBytes = 65_536;
    private const int MessageIdLength = 32;

    private static readonly JsonWriterOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Dictionary<string, ArrayBufferWriter<byte>> _open = [];
    private readonly Dictionary<string, long> _bytes = [];
    private readonly List<OutboundEdu> _finished = [];
    private readonly ArrayBufferWriter<byte> _event = new(1024);

    /// <exception cref="ToDeviceErrorException">It is too much for this appservice.</exception>
    public void Add(string destination, in ToDeviceMessage message)
    {
        WriteEvent(message);
        // Each has the type and the sender: a short body with a long type becomes a hundred times as much (D21).
        _bytes[destination] = _bytes.GetValueOrDefault(destination) + _event.WrittenCount;
        if (_bytes[destination] > maxBytes)
            throw new ToDeviceErrorException(ToDeviceError.TooLarge($"The messages for one appservice are larger than {maxBytes} bytes"));

        if (_open.TryGetValue(destination, out var entry) && entry.WrittenCount + _event.WrittenCount > MaxBytes)
        {
            Finish(destination, entry);
            entry = null;
        }

        if (entry is null) _open[destination] = entry = new ArrayBufferWriter<byte>(1024);
        entry.Write(entry.WrittenCount == 0 ? "["u8 : ","u8);
        entry.Write(_event.WrittenSpan);
    }

    /// <summary>All entries; those of one appservice in the order of the messages.</summary>
    public List<OutboundEdu> Finish()
    {
        foreach (var (destination, entry) in _open) Finish(destination, entry);
        return _finished;
    }

    private void Finish(string destination, ArrayBufferWriter<byte> entry)
    {
        entry.Write("]"u8);
        _finished.Add(new OutboundEdu(
            destination, RandomNumberGenerator.GetHexString(MessageIdLength, lowercase: true), entry.WrittenMemory));
    }

    private void WriteEvent(in ToDeviceMessage message)
    {
        _event.ResetWrittenCount();
        using var json = new Utf8JsonWriter(_event, s_json);
        json.WriteStartObject();
        json.WriteString("sender"u8, send.Sender);
        json.WriteString("type"u8, send.EventType);
        json.WritePropertyName("content"u8);
        json.WriteRawValue(message.Content.Span, skipInputValidation: true);
        json.WriteString("to_user_id"u8, message.Recipient.UserId);
        json.WriteString("to_device_id"u8, message.Recipient.DeviceId);
        json.WriteEndObject();
    }
}
