using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;

namespace LocalHomeserver.Tests;

/// <summary>
/// JSON as a server in Python, such as Synapse, understands it and writes it again: that is what it takes for signed. Integers stay
/// integers, of any size; everything else is a double, in Python's way of writing it; of a key that is there twice, it knows the last.
/// </summary>
internal static class PythonJson
{
    /// <summary>Encodes a text again.</summary>
    /// <exception cref="EncoderFallbackException">It holds half a surrogate pair, which Python cannot write.</exception>
    public static byte[] Encode(string json)
    {
        var text = new StringBuilder();
        Write(text, JsonElement.Parse(json, new JsonDocumentOptions { MaxDepth = 990 }));
        return new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetBytes(text.ToString());
    }

    private static void Write(StringBuilder text, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                var members = new SortedDictionary<string, JsonElement>(Comparer<string>.Create(CompareCodePoints));
                foreach (var member in value.EnumerateObject()) members[member.Name] = member.Value;
                text.Append('{').AppendJoin(',', members.Select(member => { var part = new StringBuilder(); Write(part, member.Key); Write(part.Append(':'), member.Value); return part; })).Append('}');
                break;
            case JsonValueKind.Array:
                text.Append('[').AppendJoin(',', value.EnumerateArray().Select(item => { var part = new StringBuilder(); Write(part, item); return part; })).Append(']');
                break;
            case JsonValueKind.String:
                Write(text, value.GetString()!);
                break;
            case JsonValueKind.Number:
                text.Append(Number(value.GetRawText()));
                break;
            default:
                text.Append(value.GetRawText());
                break;
        }
    }

    private static void Write(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (var c in value)
        {
            _ = c switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                '\f' => text.Append("\\f"),
                '\b' => text.Append("\\b"),
                < ' ' => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => text.Append(c),
            };
        }

        text.Append('"');
    }

    /// <summary>As <c>repr</c> writes the number that <c>json.loads</c> makes of it.</summary>
    internal static string Number(string number)
    {
        if (number.AsSpan().IndexOfAny(".eE") < 0) return BigInteger.Parse(number, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture);

        var value = double.Parse(number, CultureInfo.InvariantCulture);
        var sign = double.IsNegative(value) ? "-" : "";
        // The shortest digits that are read as the same double, and their exponent: d.ddd × 10^exponent.
        var shortest = Math.Abs(value).ToString("E16", CultureInfo.InvariantCulture);
        for (var digits = 0; digits < 17; digits++)
        {
            shortest = Math.Abs(value).ToString($"E{digits}", CultureInfo.InvariantCulture);
            if (double.Parse(shortest, CultureInfo.InvariantCulture).Equals(Math.Abs(value))) break;
        }

        var parts = shortest.Split('E');
        var (mantissa, exponent) = (parts[0].Replace(".", "", StringComparison.Ordinal), int.Parse(parts[1], CultureInfo.InvariantCulture));
        if (exponent is < -4 or >= 16)
        {
            var fraction = mantissa.Length > 1 ? $".{mantissa[1..]}" : "";
            return $"{sign}{mantissa[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }

        if (exponent < 0) return $"{sign}0.{new string('0', -exponent - 1)}{mantissa}";
        mantissa = mantissa.PadRight(exponent + 2, '0');
        return $"{sign}{mantissa[..(exponent + 1)]}.{mantissa[(exponent + 1)..]}";
    }

    private static int CompareCodePoints(string one, string other) =>
        Encoding.UTF32.GetBytes(one).Chunk(4).Select(bytes => BitConverter.ToInt32(bytes))
            .Zip(Encoding.UTF32.GetBytes(other).Chunk(4).Select(bytes => BitConverter.ToInt32(bytes)), (a, b) => a.CompareTo(b))
            .FirstOrDefault(order => order != 0, Encoding.UTF32.GetByteCount(one).CompareTo(Encoding.UTF32.GetByteCount(other)));
}
