using System.Globalization;
using System.Text;

namespace Matrix.ToDevice;

/// <summary>
/// The names and strings of JSON that others have written, unescaped at one place (D24). .NET's own readers throw when a text holds
/// half of a surrogate pair, and only when its length could fit: here that is an answer.
/// </summary>
internal static class JsonText
{
    /// <summary>Whether this is the text. Half a surrogate pair is part of no text.</summary>
    /// <param name="escaped">What stands between the quotes in valid JSON.</param>
    /// <param name="text">The text that it may be, as UTF-8.</param>
    public static bool Equals(ReadOnlySpan<byte> escaped, ReadOnlySpan<byte> text)
    {
        Span<byte> utf8 = stackalloc byte[4];
        while (true)
        {
            var plain = escaped.IndexOf((byte)'\\');
            if (plain < 0) return escaped.SequenceEqual(text);
            if (!text.StartsWith(escaped[..plain])) return false;

            text = text[plain..];
            escaped = escaped[plain..];
            if (!Rune.TryCreate(TakeEscape(ref escaped), out var rune)) return false;

            var length = rune.EncodeToUtf8(utf8);
            if (!text.StartsWith(utf8[..length])) return false;
            text = text[length..];
        }
    }

    /// <summary>The text; null when it holds half a surrogate pair, which no text can.</summary>
    /// <param name="escaped">What stands between the quotes in valid JSON.</param>
    public static string? Decode(ReadOnlySpan<byte> escaped)
    {
        if (!escaped.Contains((byte)'\\')) return Encoding.UTF8.GetString(escaped);

        var text = new StringBuilder(escaped.Length);
        while (true)
        {
            var plain = escaped.IndexOf((byte)'\\');
            if (plain < 0) return text.Append(Encoding.UTF8.GetString(escaped)).ToString();

            text.Append(Encoding.UTF8.GetString(escaped[..plain]));
            escaped = escaped[plain..];
            if (!Rune.TryCreate(TakeEscape(ref escaped), out var rune)) return null;
            text.Append(rune.ToString());
        }
    }

    /// <summary>
    /// Takes the escape that a text begins with, two for a surrogate pair: the code point that it stands for. Half a pair stands for
    /// itself, which is none.
    /// </summary>
    public static int TakeEscape(ref ReadOnlySpan<byte> escaped)
    {
        var kind = escaped[1];
        if (kind != 'u')
        {
            escaped = escaped[2..];
            return kind switch
            {
                (byte)'b' => '\b',
                (byte)'f' => '\f',
                (byte)'n' => '\n',
                (byte)'r' => '\r',
                (byte)'t' => '\t',
                _ => kind,
            };
        }

        var first = (char)CodeUnit(escaped);
        escaped = escaped[6..];
        if (!char.IsHighSurrogate(first) || !escaped.StartsWith("\\u"u8)) return first;

        var second = (char)CodeUnit(escaped);
        if (!char.IsLowSurrogate(second)) return first;
        escaped = escaped[6..];
        return char.ConvertToUtf32(first, second);
    }

    private static int CodeUnit(ReadOnlySpan<byte> escape) =>
        int.Parse(escape.Slice(2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
