using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Matrix.ToDevice;

/// <summary>
/// Reads the body of a send in one pass, without building a document, and finds everything that can be wrong with it
/// before anything is looked up (R4, R21, D7, D8).
/// </summary>
/// <remarks>
/// An error of shape is remembered and the pass goes on: a body that is not JSON at all is <c>M_NOT_JSON</c>, wherever
/// its other faults are.
/// </remarks>
internal ref struct SendBodyParser
{
    private const int FewDevices = 8;

    // As much as a client can put into the path of a request.
    private const int MaxTextBytes = 8192;

    private readonly SendToDeviceOptions _options;
    private readonly Span<byte> _json;
    private readonly SendBody _body;
    private readonly bool _isEdu;
    private Utf8JsonReader _reader;
    private ToDeviceError? _error;

    private SendBodyParser(SendBody body, Span<byte> json, SendToDeviceOptions options, bool isEdu)
    {
        _isEdu = isEdu;
        _options = options;
        _body = body;
        _json = json;
        // Depth is counted here: the reader's own limit would call a deep content "not JSON".
        _reader = new Utf8JsonReader(_json, new JsonReaderOptions { MaxDepth = int.MaxValue });
    }

    /// <summary>Parses a body. The buffer, of the shared pool, is the result's; when this throws, it has been given back.</summary>
    /// <exception cref="ToDeviceErrorException">The body is not a valid one.</exception>
    public static SendBody Parse(byte[] buffer, int length, SendToDeviceOptions options) => Parse(buffer, length, options, isEdu: false);

    /// <summary>
    /// Parses the content of an <c>m.direct_to_device</c> EDU: a body that also has <see cref="SendBody.Edu"/>. Contents that
    /// are too large or nest too deep are left out: the other recipients have done nothing wrong (D15).
    /// </summary>
    /// <inheritdoc cref="Parse(byte[], int, SendToDeviceOptions)"/>
    public static SendBody ParseEdu(byte[] buffer, int length, SendToDeviceOptions options) => Parse(buffer, length, options, isEdu: true);

    private static SendBody Parse(byte[] buffer, int length, SendToDeviceOptions options, bool isEdu)
    {
        var body = new SendBody(buffer);
        try
        {
            if (!Utf8.IsValid(buffer.AsSpan(0, length)))
                throw new ToDeviceErrorException(ToDeviceError.NotJson("The body is not UTF-8"));

            if (isEdu && options.MaxInboundEduBytes is { } max && IsLarger(buffer.AsSpan(0, length), max))
                throw new ToDeviceErrorException(ToDeviceError.TooLarge($"It is larger than {max} bytes of canonical JSON"));

            var parser = new SendBodyParser(body, buffer.AsSpan(0, length), options, isEdu);
            parser.ReadBody();
            return parser._error is null ? body : throw new ToDeviceErrorException(parser._error);
        }
        catch (Exception exception)
        {
            body.Dispose();
            if (exception is not JsonException json) throw;
            throw new ToDeviceErrorException(
                ToDeviceError.NotJson($"The body is not valid JSON at byte {json.BytePositionInLine} of line {json.LineNumber + 1}"));
        }
    }

    private static bool IsLarger(ReadOnlySpan<byte> content, int max)
    {
        // Nothing is longer in that form, where numbers count as they were written.
        max -= """{"content":,"edu_type":"m.direct_to_device"}""".Length;
        return content.Length > max && ContentMeasure.CanonicalLengthOf(content) > max;
    }

    private void ReadBody()
    {
        _reader.Read();
        if (IsObject("The body")) ReadMessages();
        _reader.Read(); // Throws when anything follows.
    }

    private void ReadMessages()
    {
        var found = false;
        string? sender = null, type = null, messageId = null;
        while (ReadsProperty())
        {
            if (IsName("messages"u8))
            {
                _reader.Read();
                if (found) Wrong("messages is there twice");
                found = true;
                ReadUsers();
            }
            else if (_isEdu && IsName("sender"u8))
            {
                ReadText("sender", ref sender);
            }
            else if (_isEdu && IsName("type"u8))
            {
                ReadText("type", ref type);
            }
            else if (_isEdu && IsName("message_id"u8))
            {
                ReadText("message_id", ref messageId);
            }
            else
            {
                _reader.Read();
                SkipValue();
            }
        }

        if (!found) Wrong("messages is missing");
        if (!_isEdu) return;
        if (sender is null || type is null || messageId is null) Wrong("sender, type or message_id is missing");
        else _body.Edu = new EduHead(sender, type, messageId);
    }

    private void ReadText(string name, ref string? text)
    {
        _reader.Read();
        if (text is not null) Wrong($"{name} is there twice");
        if (_reader.TokenType != JsonTokenType.String)
        {
            Wrong($"{name} is not a string");
            SkipValue();
            return;
        }

        text = ReadString(name);
        // It would be stored with every message.
        if (Encoding.UTF8.GetByteCount(text) > MaxTextBytes) Wrong($"{name} is longer than {MaxTextBytes} bytes");
    }

    private void ReadUsers()
    {
        if (!IsObject("messages")) return;

        while (ReadsProperty())
        {
            // One that names more than anybody would is refused, and costs no more memory than the largest that is taken (D21).
            if (_body.UserIds.Count == _options.MaxUsers)
            {
                Wrong($"The body names more than {_options.MaxUsers} users");
                _reader.Read();
                SkipValue();
                continue;
            }

            if (!_body.AddUser(ReadId("A user"))) Wrong("A user ID is there twice");
            _reader.Read();
            ReadDevices();
        }
    }

    private void ReadDevices()
    {
        if (!IsObject("A user's value")) return;

        HashSet<string>? many = null;
        while (ReadsProperty())
        {
            if (_body.TargetCount == _options.MaxDevices)
            {
                Wrong($"The body names more than {_options.MaxDevices} devices");
                _reader.Read();
                SkipValue();
                continue;
            }

            var deviceId = ReadId("A device");
            var others = _body.TargetsOf(_body.UserIds.Count - 1);
            // Most users have a few devices in a request: no set for them.
            if (others.Length == FewDevices)
            {
                many = [];
                foreach (var other in others) many.Add(other.DeviceId);
            }

            if (!(many?.Add(deviceId) ?? IsNew(deviceId, others))) Wrong("A device ID is there twice");
            _reader.Read();
            ReadContent(deviceId);
        }
    }

    private static bool IsNew(string deviceId, ReadOnlySpan<SendBody.Target> others)
    {
        foreach (var other in others)
            if (other.DeviceId == deviceId) return false;
        return true;
    }

    private void ReadContent(string deviceId)
    {
        if (!IsObject("A message's content")) return;

        var start = (int)_reader.TokenStartIndex;
        var measure = new ContentMeasure();
        var depth = _reader.CurrentDepth;
        ToDeviceError? error = null;
        measure.Add(ref _reader);
        do
        {
            _reader.Read();
            measure.Add(ref _reader);
            if (_reader.CurrentDepth - depth >= _options.MaxContentDepth && IsStart(_reader.TokenType))
                error ??= ToDeviceError.BadJson($"A content nests deeper than {_options.MaxContentDepth} levels");
        }
        while (_reader.CurrentDepth > depth);

        if (measure.CanonicalLength > _options.MaxContentBytes)
            error ??= ToDeviceError.TooLarge($"A content is larger than {_options.MaxContentBytes} bytes of canonical JSON");
        if (error is not null && _isEdu)
        {
            _body.LeftOut++;
            return;
        }

        _error ??= error;

        var length = (int)_reader.BytesConsumed - start;
        // White space that a sender put between the tokens is nothing that anybody should store.
        if (measure.CompactLength < length) Compact(_json.Slice(start, length), measure.CompactLength);
        _body.AddTarget(new SendBody.Target(deviceId, start, measure.CompactLength));
    }

    /// <summary>Moves the tokens of a content together. The reader is behind it and does not look back.</summary>
    private static void Compact(Span<byte> content, int compactLength)
    {
        var inString = false;
        var written = 0;
        for (var i = 0; written < compactLength; i++)
        {
            var value = content[i];
            if (!inString && value is (byte)' ' or (byte)'\t' or (byte)'\n' or (byte)'\r') continue;
            content[written++] = value;
            if (value == '"') inString = !inString;
            else if (inString && value == '\\') content[written++] = content[++i];
        }
    }

    private bool IsName(ReadOnlySpan<byte> name) => JsonText.Equals(_reader.ValueSpan, name);

    /// <summary>The property name as text.</summary>
    private string ReadId(string what) => _reader.ValueIsEscaped ? ReadString($"{what} ID") : KnownIds.Get(_reader.ValueSpan);

    private string ReadString(string what)
    {
        if (JsonText.Decode(_reader.ValueSpan) is { } text) return text;
        Wrong($"{what} has an unpaired surrogate");
        return "";
    }

    private bool IsObject(string what)
    {
        if (_reader.TokenType == JsonTokenType.StartObject) return true;
        Wrong($"{what} is not an object");
        SkipValue();
        return false;
    }

    private bool ReadsProperty()
    {
        _reader.Read();
        return _reader.TokenType == JsonTokenType.PropertyName;
    }

    private void SkipValue()
    {
        var depth = _reader.CurrentDepth;
        if (!IsStart(_reader.TokenType)) return;
        do _reader.Read();
        while (_reader.CurrentDepth > depth);
    }

    private static bool IsStart(JsonTokenType token) => token is JsonTokenType.StartObject or JsonTokenType.StartArray;

    private void Wrong(string error) => _error ??= ToDeviceError.BadJson(error);
}
