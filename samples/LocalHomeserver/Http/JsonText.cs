using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Unicode;

namespace LocalHomeserver;

/// <summary>
/// Looks at JSON that somebody else wrote, before anything in it is unescaped: half of a surrogate pair, which JSON can write and
/// Unicode does not have, is an exception wherever it is read. Here, and only here, it is an answer (D24).
/// </summary>
internal static class JsonText
{
    /// <summary>How deep .NET reads values and writes them, unless it is told otherwise.</summary>
    public const int MaxDepth = 64;

    /// <summary>What a JSON text is.</summary>
    public static JsonForm FormOf(ReadOnlySpan<byte> json, int maxDepth = MaxDepth)
    {
        if (!Utf8.IsValid(json)) return JsonForm.NotJson;
        try
        {
            var form = JsonForm.Good;
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = int.MaxValue });
            while (reader.Read())
            {
                if (reader.ValueIsEscaped && !IsText(reader.ValueSpan)) form = JsonForm.NotText;
                if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray && reader.CurrentDepth >= maxDepth)
                    form = JsonForm.TooDeep;
            }

            return form;
        }
        catch (JsonException)
        {
            return JsonForm.NotJson;
        }
    }

    /// <summary>Whether all of a value can be read, and is not too deep.</summary>
    public static bool IsGood(JsonElement json, int maxDepth = MaxDepth) =>
        FormOf(JsonMarshal.GetRawUtf8Value(json), maxDepth) == JsonForm.Good;

    /// <summary>Whether a member's name can be read.</summary>
    public static bool HasName(JsonProperty member) =>
        JsonMarshal.GetRawUtf8PropertyName(member) is var name && Utf8.IsValid(name) && IsText(name);

    // Of a string that is JSON: so each backslash has its letter behind it, and each u its four digits.
    private static bool IsText(ReadOnlySpan<byte> escaped)
    {
        while (escaped.IndexOf((byte)'\\') is var next and >= 0)
        {
            escaped = escaped[next..];
            if (escaped[1] != 'u')
            {
                escaped = escaped[2..];
                continue;
            }

            var first = Unit(escaped);
            escaped = escaped[6..];
            if (!char.IsSurrogate(first)) continue;
            if (char.IsLowSurrogate(first) || escaped is not [(byte)'\\', (byte)'u', ..] || !char.IsLowSurrogate(Unit(escaped))) return false;
            escaped = escaped[6..];
        }

        return true;
    }

    private static char Unit(ReadOnlySpan<byte> escape) =>
        (char)ushort.Parse(escape[2..6], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}

/// <summary>What a JSON text is.</summary>
internal enum JsonForm
{
    /// <summary>It is not JSON, or not UTF-8.</summary>
    NotJson,

    /// <summary>A name or a string has half of a surrogate pair.</summary>
    NotText,

    /// <summary>It is nested deeper than it may be.</summary>
    TooDeep,

    /// <summary>Every name and every string in it can be read.</summary>
    Good,
}
