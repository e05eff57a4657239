using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.RegularExpressions;

namespace Matrix.ToDevice.Tests;

/// <summary>A JSON value made up at random, as others may write it, and its canonical form as the specification's sentences say it.</summary>
internal abstract partial record RandomJson
{
    private static readonly string[] s_characters =
        ["a", "b", "B", "", "é", "\uff61", "\U0001F600", "\U00010000", "\0", "\n", "\"", "\\", "/", "\u007f", "\u2028", "\ud800", "\udc00", "\ue000", "\ud7ff"];

    private static readonly string[] s_numbers =
    [
        "0", "-0", "1", "-1", "10", "1e3", "1E-1", "10e-1", "1.0", "1.5", "-0.0", "0.10e1", "9007199254740991", "-9007199254740991",
        "9007199254740992", "9.007199254740991e15", "1e15", "1e16", "123456789012345678901234567890e-20", "1200.00e-2", "0e30", "0.0000e-30",
    ];

    /// <summary>Makes one up.</summary>
    public static RandomJson New(Random random, int depth = 0) => random.Next(depth > 5 ? 4 : 8) switch
    {
        0 => new Literal(random.GetItems(["true", "false", "null"], 1)[0]),
        1 or 2 => new Number(NewNumber(random)),
        3 => new Text(NewText(random)),
        4 or 5 => new List([.. Enumerable.Range(0, random.Next(4)).Select(_ => New(random, depth + 1))]),
        _ => new Map([.. Enumerable.Range(0, random.Next(6)).Select(_ => (NewText(random), New(random, depth + 1)))]),
    };

    /// <summary>Writes it, with white space and escapes at random.</summary>
    public abstract void Write(StringBuilder json, Random random);

    /// <summary>Its canonical form; null when it has none.</summary>
    public abstract string? Canonical(bool asWritten);

    private static string NewText(Random random) => string.Concat(random.GetItems(s_characters, random.Next(3)));

    private static string NewNumber(Random random) => random.Next(2) == 0
        ? random.GetItems(s_numbers, 1)[0]
        : $"{(random.Next(3) == 0 ? "-" : "")}{random.NextInt64(1L << random.Next(1, 56))}{Fraction(random)}{Exponent(random)}";

    private static string Fraction(Random random) => random.Next(3) switch { 0 => $".{random.Next(100) * 10}", 1 => ".000", _ => "" };

    private static string Exponent(Random random) => random.Next(3) == 0 ? $"e{(random.Next(2) == 0 ? "+" : "")}{random.Next(20)}" : random.Next(3) == 0 ? $"E-{random.Next(5)}" : "";

    private static void Space(StringBuilder json, Random random) => json.Append(random.GetItems(["", "", "", " ", "\t", "\r\n", "  "], 1)[0]);

    private static void Write(StringBuilder json, Random random, string text)
    {
        json.Append('"');
        foreach (var point in CodePoints(text))
        {
            var character = point < 0x10000 ? ((char)point).ToString() : char.ConvertFromUtf32(point);
            var mustBeEscaped = point is < 0x20 or '"' or '\\' or (>= 0xd800 and < 0xe000);
            if (mustBeEscaped || random.Next(2) == 0) Escape(json, random, character);
            else json.Append(character);
        }

        json.Append('"');
    }

    private static void Escape(StringBuilder json, Random random, string character)
    {
        if (random.Next(2) == 0 && character is "\n" or "\"" or "\\" or "/") json.Append('\\').Append(character == "\n" ? "n" : character);
        else foreach (var unit in character) json.Append("\\u").Append(((int)unit).ToString(random.Next(2) == 0 ? "x4" : "X4", CultureInfo.InvariantCulture));
    }

    /// <summary>The code points of a text; half a surrogate pair is one of its own.</summary>
    private static List<int> CodePoints(string text)
    {
        List<int> points = [];
        for (var i = 0; i < text.Length; i++)
        {
            var isPair = i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]);
            points.Add(isPair ? char.ConvertToUtf32(text[i], text[i + 1]) : text[i]);
            if (isPair) i++;
        }

        return points;
    }

    private static string? Quote(string text, bool asWritten)
    {
        var json = new StringBuilder("\"");
        foreach (var point in CodePoints(text))
        {
            switch (point)
            {
                case '\n': json.Append("\\n"); break;
                case '"': json.Append("\\\""); break;
                case '\\': json.Append("\\\\"); break;
                case < 0x20: json.Append(CultureInfo.InvariantCulture, $"\\u{point:x4}"); break;
                case >= 0xd800 and < 0xe000:
                    if (!asWritten) return null;
                    json.Append(CultureInfo.InvariantCulture, $"\\u{point:x4}");
                    break;
                default: json.Append(char.ConvertFromUtf32(point)); break;
            }
        }

        return json.Append('"').ToString();
    }

    [GeneratedRegex(@"^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$")]
    private static partial Regex NumberParts();

    private sealed record Literal(string Value) : RandomJson
    {
        public override void Write(StringBuilder json, Random random) => json.Append(Value);

        public override string Canonical(bool asWritten) => Value;
    }

    private sealed record Number(string Value) : RandomJson
    {
        public override void Write(StringBuilder json, Random random) => json.Append(Value);

        public override string? Canonical(bool asWritten)
        {
            if (asWritten) return Value;
            var parts = NumberParts().Match(Value).Groups;
            var value = BigInteger.Parse(parts[1].Value + parts[2].Value + parts[3].Value, CultureInfo.InvariantCulture);
            var exponent = (parts[4].Success ? int.Parse(parts[4].Value, CultureInfo.InvariantCulture) : 0) - parts[3].Length;
            var (whole, rest) = exponent >= 0
                ? (value * BigInteger.Pow(10, exponent), 0)
                : BigInteger.DivRem(value, BigInteger.Pow(10, -exponent));
            return rest != 0 || BigInteger.Abs(whole) >= BigInteger.Pow(2, 53) ? null : whole.ToString(CultureInfo.InvariantCulture);
        }
    }

    private sealed record Text(string Value) : RandomJson
    {
        public override void Write(StringBuilder json, Random random) => Write(json, random, Value);

        public override string? Canonical(bool asWritten) => Quote(Value, asWritten);
    }

    private sealed record List(RandomJson[] Items) : RandomJson
    {
        public override void Write(StringBuilder json, Random random)
        {
            json.Append('[');
            for (var i = 0; i < Items.Length; i++)
            {
                if (i > 0) json.Append(',');
                Space(json, random);
                Items[i].Write(json, random);
                Space(json, random);
            }

            json.Append(']');
        }

        public override string? Canonical(bool asWritten)
        {
            var items = Items.Select(item => item.Canonical(asWritten)).ToArray();
            return items.Contains(null) ? null : $"[{string.Join(",", items)}]";
        }
    }

    private sealed record Map((string Key, RandomJson Value)[] Members) : RandomJson
    {
        public override void Write(StringBuilder json, Random random)
        {
            json.Append('{');
            for (var i = 0; i < Members.Length; i++)
            {
                if (i > 0) json.Append(',');
                Space(json, random);
                Write(json, random, Members[i].Key);
                Space(json, random);
                json.Append(':');
                Space(json, random);
                Members[i].Value.Write(json, random);
                Space(json, random);
            }

            json.Append('}');
        }

        public override string? Canonical(bool asWritten)
        {
            if (!asWritten && Members.Select(member => member.Key).Distinct().Count() < Members.Length) return null;
            var members = Members
                .OrderBy(member => CodePoints(member.Key), Comparer<List<int>>.Create((one, other) => Compare(one, other)))
                .Select(member => (Key: Quote(member.Key, asWritten), Value: member.Value.Canonical(asWritten))).ToArray();
            return members.Any(member => member.Key is null || member.Value is null)
                ? null
                : $"{{{string.Join(",", members.Select(member => $"{member.Key}:{member.Value}"))}}}";
        }

        private static int Compare(List<int> one, List<int> other)
        {
            for (var i = 0; i < Math.Min(one.Count, other.Count); i++)
                if (one[i] != other[i]) return one[i].CompareTo(other[i]);
            return one.Count.CompareTo(other.Count);
        }
    }
}
