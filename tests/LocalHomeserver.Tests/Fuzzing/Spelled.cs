using System.Globalization;
using System.Text;

namespace LocalHomeserver.Tests;

/// <summary>How much of a text is written as escapes.</summary>
internal enum Spelling
{
    /// <summary>Only what has to be.</summary>
    Plain,

    /// <summary>Some of it.</summary>
    Mixed,

    /// <summary>All of it.</summary>
    Escaped,
}

/// <summary>A text, and how it is to be spelled in JSON. What has no form in UTF-8 is always an escape.</summary>
internal readonly record struct Spelled(string Text, Spelling Spelling = Spelling.Plain)
{
    public static implicit operator Spelled(string text) => new(text);

    public void WriteTo(StringBuilder json, Random random)
    {
        json.Append('"');
        for (var i = 0; i < Text.Length; i++)
        {
            var isPair = char.IsSurrogatePair(Text, i);
            var isEscaped = IsEscape(Text[i]) || (char.IsSurrogate(Text[i]) && !isPair)
                || Spelling == Spelling.Escaped || (Spelling == Spelling.Mixed && random.Next(2) == 0);
            if (!isEscaped) json.Append(Text, i, isPair ? 2 : 1);
            else
            {
                Escape(json, Text[i], random);
                if (isPair) Escape(json, Text[i + 1], random);
            }

            if (isPair) i++;
        }

        json.Append('"');
    }

    /// <summary>As canonical JSON has it. Half a surrogate pair has no form there: the one that the escape itself suggests.</summary>
    public void WriteCanonical(StringBuilder json)
    {
        json.Append('"');
        for (var i = 0; i < Text.Length; i++)
        {
            if (char.IsSurrogatePair(Text, i)) json.Append(Text, i++, 2);
            else if (IsEscape(Text[i]) || char.IsSurrogate(Text[i])) json.Append(Short(Text[i]) ?? $"\\u{(int)Text[i]:x4}");
            else json.Append(Text[i]);
        }

        json.Append('"');
    }

    private static bool IsEscape(char character) => character is < ' ' or '"' or '\\';

    private static void Escape(StringBuilder json, char character, Random random)
    {
        if (random.Next(2) == 0 && Short(character) is { } escape) json.Append(escape);
        else if (character == '/' && random.Next(2) == 0) json.Append("\\/");
        else json.Append("\\u").Append(((int)character).ToString(random.Next(2) == 0 ? "x4" : "X4", CultureInfo.InvariantCulture));
    }

    private static string? Short(char character) => character switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\b' => "\\b",
        '\f' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        _ => null,
    };
}
