using System.Globalization;
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
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                length++;
                continue;
            }

            var escape = text[++i];
            if (escape != 'u')
            {
                length += escape == '/' ? 1 : 2;
                continue;
            }

            var unit = HexUnit(text, i + 1);
            i += 4;
            if (char.IsHighSurrogate((char)unit) && i + 6 < text.Length && text[i + 1] == '\\' && text[i + 2] == 'u'
                && char.IsLowSurrogate((char)HexUnit(text, i + 3)))
            {
                length += 4;
                i += 6;
            }
            else
            {
                // Half of a pair has no UTF-8 form: it can only stay an escape.
                length += char.IsSurrogate((char)unit) ? 6 : CanonicalRuneLength(unit);
            }
        }

        return length;
    }

    private static int HexUnit(ReadOnlySpan<byte> text, int start) =>
        int.Parse(text.Slice(start, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    private static int CanonicalRuneLength(int value) => value switch
    {
        '"' or '\\' or '\b' or '\f' or '\n' or '\r' or '\t' => 2,
        < 0x20 => 6,
        < 0x80 => 1,
        < 0x800 => 2,
        < 0x10000 => 3,
        _ => 4,
    };
}
