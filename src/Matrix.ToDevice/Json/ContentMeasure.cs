using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>
/// Adds up, token by token, how long a JSON value is without white space: as it was written, and as canonical JSON, the
/// form that the size limits are about (D8, D16).
/// </summary>
internal struct ContentMeasure
{
    private JsonTokenType _previous;

    /// <summary>The length in bytes without white space, escapes as the sender wrote them.</summary>
    public int CompactLength { get; private set; }

    /// <summary>The length in bytes with the shortest escapes.</summary>
    public int CanonicalLength { get; private set; }

    public void Add(ref Utf8JsonReader reader)
    {
        var token = reader.TokenType;
        var punctuation = 0;
        var text = 0;
        var canonicalText = 0;
        switch (token)
        {
            case JsonTokenType.StartObject or JsonTokenType.StartArray or JsonTokenType.EndObject or JsonTokenType.EndArray:
                punctuation = 1;
                break;
            case JsonTokenType.PropertyName or JsonTokenType.String:
                punctuation = token is JsonTokenType.PropertyName ? 3 : 2; // Quotes, and the colon.
                text = reader.ValueSpan.Length;
                canonicalText = reader.ValueIsEscaped ? UnescapedLength(reader.ValueSpan) : text;
                break;
            default:
                text = canonicalText = reader.ValueSpan.Length;
                break;
        }

        var opensOrFollowsName = _previous is JsonTokenType.None or JsonTokenType.PropertyName
            or JsonTokenType.StartObject or JsonTokenType.StartArray;
        if (!opensOrFollowsName && token is not (JsonTokenType.EndObject or JsonTokenType.EndArray)) punctuation++; // The comma.

        _previous = token;
        CompactLength += punctuation + text;
        CanonicalLength += punctuation + canonicalText;
    }

    /// <summary>The <see cref="CanonicalLength"/> of a whole value.</summary>
    /// <exception cref="JsonException">It is not one JSON value.</exception>
    public static int CanonicalLengthOf(ReadOnlySpan<byte> json)
    {
        var measure = new ContentMeasure();
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = int.MaxValue });
        while (reader.Read()) measure.Add(ref reader);
        return measure.CanonicalLength;
    }

    /// <summary>How many bytes canonical JSON needs for a string, quotes included.</summary>
    public static int CanonicalStringLength(string text)
    {
        var length = 2;
        foreach (var rune in text.EnumerateRunes()) length += CanonicalRuneLength(rune.Value);
        return length;
    }

    private static int UnescapedLength(ReadOnlySpan<byte> text)
    {
        var length = 0;
        while (true)
        {
            var plain = text.IndexOf((byte)'\\');
            if (plain < 0) return length + text.Length;
            length += plain;
            text = text[plain..];
            length += CanonicalRuneLength(JsonText.TakeEscape(ref text));
        }
    }

    private static int CanonicalRuneLength(int value) => value switch
    {
        '"' or '\\' or '\b' or '\f' or '\n' or '\r' or '\t' => 2,
        < 0x20 => 6,
        < 0x80 => 1,
        < 0x800 => 2,
        // Half of a surrogate pair has no UTF-8 form: it can only stay an escape.
        >= 0xd800 and <= 0xdfff => 6,
        < 0x10000 => 3,
        _ => 4,
    };
}
