using System.Buffers;
using System.Globalization;
using System.Text;

namespace Matrix.ToDevice;

/// <summary>
/// A text of somebody else in the log: line breaks and other control characters come out escaped, so that nobody can write log lines
/// of their own (D24).
/// </summary>
internal readonly struct OneLine(string text)
{
    // What breaks a line, or moves the cursor of a terminal: C0, DEL and C1, and Unicode's own two.
    private static readonly SearchValues<char> s_escaped = SearchValues.Create(
        [.. Enumerable.Range(0, 0x20).Concat(Enumerable.Range(0x7f, 0x21)).Select(value => (char)value), '\u2028', '\u2029']);

    private readonly string _text = text;

    public static implicit operator OneLine(string text) => new(text);

    public override string ToString()
    {
        if (_text is null || !_text.AsSpan().ContainsAny(s_escaped)) return _text ?? "";

        var line = new StringBuilder(_text.Length + 16);
        foreach (var character in _text)
        {
            if (s_escaped.Contains(character)) line.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
            else line.Append(character);
        }

        return line.ToString();
    }
}
