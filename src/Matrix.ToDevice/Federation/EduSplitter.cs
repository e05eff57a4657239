using System.Buffers;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>
/// Packs the messages of one send for other servers into <c>m.direct_to_device</c> EDUs: many devices in one, none larger
/// than <see cref="SendToDeviceOptions.MaxEduBytes"/>; split by user, then by device (D16). They are canonical JSON, which is what is signed: a receiver that encodes
/// them again finds the same bytes (D20). <c>*</c> stays as it is (R82).
/// </summary>
internal sealed class EduSplitter(SendHead send, int maxBytes)
{
    private const int MessageIdLength = 32;

    private static readonly JsonWriterOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Dictionary<string, Edu> _open = [];
    private readonly List<OutboundEdu> _finished = [];
    private readonly ArrayBufferWriter<byte> _canonical = new();
    private readonly int _emptyLength =
        """{"content":{"message_id":"","messages":{},"sender":,"type":},"edu_type":"m.direct_to_device"}""".Length + MessageIdLength
        + ContentMeasure.CanonicalStringLength(send.Sender) + ContentMeasure.CanonicalStringLength(send.EventType);

    public void Add(string destination, SendBody body, int user)
    {
        var userId = body.UserIds[user];
        var userLength = ContentMeasure.CanonicalStringLength(userId) + ":{},".Length;
        foreach (var target in body.TargetsOf(user))
        {
            if (target.IsDropped) continue;

            // As it goes out: 1e3 is longer there, 1.0 is shorter.
            var content = Canonical(body.ContentOf(target));
            var length = ContentMeasure.CanonicalStringLength(target.DeviceId) + ":,".Length + content.Length;
            if (_emptyLength + userLength + length > maxBytes)
            {
                throw new ToDeviceErrorException(ToDeviceError.TooLarge(
                    $"A content for another server is too large: with its addresses it must fit into {maxBytes} bytes"));
            }

            if (!_open.TryGetValue(destination, out var edu))
            {
                _open.Add(destination, edu = new Edu(send, _emptyLength));
            }
            else if (edu.Length + (edu.UserId == userId ? 0 : userLength) + length > maxBytes)
            {
                _finished.Add(edu.Finish(destination));
                _open[destination] = edu = new Edu(send, _emptyLength);
            }

            if (edu.UserId != userId)
            {
                edu.StartUser(userId);
                edu.Length += userLength;
            }

            edu.Length += length;
            edu.Add(target.DeviceId, content);
        }
    }

    /// <summary>All EDUs; those of one destination in the order of the body.</summary>
    public List<OutboundEdu> Finish()
    {
        foreach (var (destination, edu) in _open) _finished.Add(edu.Finish(destination));
        return _finished;
    }

    /// <summary>A content in canonical form; valid until the next one.</summary>
    /// <exception cref="ToDeviceErrorException">It has none: it could never be delivered.</exception>
    private ReadOnlySpan<byte> Canonical(ReadOnlyMemory<byte> content)
    {
        _canonical.ResetWrittenCount();
        try
        {
            CanonicalJson.Encode(content, _canonical);
            return _canonical.WrittenSpan;
        }
        catch (CanonicalJsonException exception)
        {
            throw new ToDeviceErrorException(ToDeviceError.BadJson($"A content for another server has no canonical form: {exception.Message}"));
        }
    }

    /// <summary>An EDU that is being filled; finishing it disposes it.</summary>
    private sealed class Edu : IDisposable
    {
        private readonly ArrayBufferWriter<byte> _content = new(1024);
        private readonly Utf8JsonWriter _json;
        private readonly string _messageId = RandomNumberGenerator.GetHexString(MessageIdLength, lowercase: true);

        public Edu(SendHead send, int length)
        {
            Length = length;
            _json = new Utf8JsonWriter(_content, s_json);
            _json.WriteStartObject();
            _json.WriteString("sender"u8, send.Sender);
            _json.WriteString("type"u8, send.EventType);
            _json.WriteString("message_id"u8, _messageId);
            _json.WriteStartObject("messages"u8);
        }

        /// <summary>The EDU's length as canonical JSON so far; a comma too much for each last entry.</summary>
        public int Length { get; set; }

        /// <summary>Whose devices are being added.</summary>
        public string? UserId { get; private set; }

        public void StartUser(string userId)
        {
            if (UserId is not null) _json.WriteEndObject();
            UserId = userId;
            _json.WriteStartObject(userId);
        }

        public void Add(string deviceId, ReadOnlySpan<byte> content)
        {
            _json.WritePropertyName(deviceId);
            _json.WriteRawValue(content, skipInputValidation: true);
        }

        public OutboundEdu Finish(string destination)
        {
            _json.WriteEndObject();
            _json.WriteEndObject();
            _json.WriteEndObject();
            Dispose();
            // Its keys, user IDs and device IDs have come in the order of the body.
            return new OutboundEdu(destination, _messageId, CanonicalJson.Encode(_content.WrittenSpan));
        }

        public void Dispose() => _json.Dispose();
    }
}
