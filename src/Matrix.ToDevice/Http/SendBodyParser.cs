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
    private readonly SendToDeviceOptions _options;
    private readonly Span<byte> _json;
    private readonly List<SendBody.User> _users = [];
    private readonly List<SendBody.Target> _targets = [];
    private Utf8JsonReader _reader;
    private MatrixError? _error;

    private SendBodyParser(Span<byte> json, SendToDeviceOptions options)
    {
        _options = options;
        _json = json;
        // Depth is counted here: the reader's own limit would call a deep content "not JSON".
        _reader = new Utf8JsonReader(_json, new JsonReaderOptions { MaxDepth = int.MaxValue });
    }

    /// <summary>Parses a body. The result owns the buffer; so does the caller when this throws.</summary>
    /// <exception cref="MatrixErrorException">The body is not a valid one.</exception>
    public static SendBody Parse(byte[] buffer, int length, SendToDeviceOptions options)
    {
        if (!Utf8.IsValid(buffer.AsSpan(0, length)))
            throw new MatrixErrorException(MatrixError.NotJson("The body is not UTF-8"));

        var parser = new SendBodyParser(buffer.AsSpan(0, length), options);
        try
        {
            parser.ReadBody();
        }
        catch (JsonException exception)
        {
            throw new MatrixErrorException(MatrixError.NotJson(
                $"The body is not valid JSON at byte {exception.BytePositionInLine} of line {exception.LineNumber + 1}"));
        }

        return parser._error is null ? new SendBody(buffer, parser._users, parser._targets) : throw new MatrixErrorException(parser._error);
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
        while (ReadsProperty())
        {
            var isMessages = _reader.ValueTextEquals("messages"u8);
            _reader.Read();
            if (!isMessages)
            {
                SkipValue();
                continue;
            }

            if (found) Wrong("messages is there twice");
            found = true;
            ReadUsers();
        }

        if (!found) Wrong("messages is missing");
    }

    private void ReadUsers()
    {
        if (!IsObject("messages")) return;

        var users = new HashSet<string>();
        while (ReadsProperty())
        {
            var userId = ReadKey(users, "A user");
            _reader.Read();
            var first = _targets.Count;
            ReadDevices();
            _users.Add(new SendBody.User(userId, first, _targets.Count - first));
        }
    }

    private void ReadDevices()
    {
        if (!IsObject("A user's value")) return;

        HashSet<string>? devices = null;
        string? only = null;
        while (ReadsProperty())
        {
            // Most users have one device in a request: no set for them.
            string deviceId;
            if (only is null)
            {
                deviceId = only = ReadKey(null, "A device");
            }
            else
            {
                devices ??= [only];
                deviceId = ReadKey(devices, "A device");
            }

            _reader.Read();
            ReadContent(deviceId);
        }
    }

    private void ReadContent(string deviceId)
    {
        if (!IsObject("A message's content")) return;

        var start = (int)_reader.TokenStartIndex;
        var measure = new ContentMeasure();
        var depth = _reader.CurrentDepth;
        measure.Add(ref _reader);
        do
        {
            _reader.Read();
            measure.Add(ref _reader);
            if (_reader.CurrentDepth - depth >= _options.MaxContentDepth && IsStart(_reader.TokenType))
                Wrong($"A content nests deeper than {_options.MaxContentDepth} levels");
        }
        while (_reader.CurrentDepth > depth);

        if (measure.CanonicalLength > _options.MaxContentBytes)
            _error ??= MatrixError.TooLarge($"A content is larger than {_options.MaxContentBytes} bytes of canonical JSON");

        var length = (int)_reader.BytesConsumed - start;
        // White space that a sender put between the tokens is nothing that anybody should store.
        if (measure.CompactLength < length) Compact(_json.Slice(start, length), measure.CompactLength);
        _targets.Add(new SendBody.Target(deviceId, start, measure.CompactLength, measure.CanonicalLength));
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

    /// <summary>The property name as text, which has not been there before among <paramref name="seen"/>.</summary>
    private string ReadKey(HashSet<string>? seen, string what)
    {
        string key;
        try
        {
            key = _reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            Wrong($"{what} ID has an unpaired surrogate");
            return "";
        }

        if (seen?.Add(key) == false) Wrong($"{what} ID is there twice");
        return key;
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

    private void Wrong(string error) => _error ??= MatrixError.BadJson(error);
}
