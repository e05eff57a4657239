using System.Globalization;
using System.Text;

namespace LocalHomeserver.Tests;

/// <summary>
/// Paths and queries of which the parts between « and » can be anything. A part that begins with a brace is JSON; one behind
/// <c>timeout=</c> is never a time for which a request would really wait.
/// </summary>
internal static class FuzzUri
{
    // A server that gets a longer request line does not read it.
    private const int MaxText = 600;

    private static readonly string[] s_times =
        ["", "0", "-1", "00000000000000000000001", "1", "1e3", "1.5", "0x10", " 1", "1 ", "+1", "99999999999999999999", "NaN", "١"];

    private static readonly string[] s_broken = ["%", "%zz", "%F", "%FF", "%C0%80", "%ED%A0%80", "%00", "%u0041", "+", "&", "=", ";", ",", "%25", "%E2%80%A8"];

    public static string Make(string template, bool isChanged, Random random)
    {
        var uri = new StringBuilder();
        var parts = template.Split('«', '»');
        // Every other part stands between the marks.
        var changed = isChanged && parts.Length > 1 ? (2 * random.Next(parts.Length / 2)) + 1 : -1;
        for (var i = 0; i < parts.Length; i++)
        {
            if (i % 2 == 0) uri.Append(parts[i]);
            else if (i != changed) uri.Append(Uri.EscapeDataString(parts[i]));
            else if (parts[i - 1].EndsWith("timeout=", StringComparison.Ordinal)) uri.Append(Uri.EscapeDataString(s_times[random.Next(s_times.Length)]));
            else Append(uri, parts[i], random);
        }

        return uri.ToString();
    }

    /// <summary>A header, in which the same marks stand: raw, without what would end it.</summary>
    public static string MakeHeader(string template, bool isChanged, Random random)
    {
        var header = Uri.UnescapeDataString(Make(template, isChanged, random));
        return new string([.. header.Where(character => character is not ('\0' or '\r' or '\n') && !char.IsSurrogate(character))]);
    }

    private static void Append(StringBuilder uri, string part, Random random)
    {
        var text = part.StartsWith('{') ? FuzzBody.Text(Mutation.Of(JsonTree.Parse(part), random), random) : NastyText.InsteadOf(part, random);
        if (text.Length > MaxText) text = text[..MaxText];
        for (var i = 0; i < text.Length; i++)
        {
            var isPair = char.IsSurrogatePair(text, i);
            foreach (var value in isPair ? Encoding.UTF8.GetBytes(text, i, 2) : Bytes(text[i])) Append(uri, value, random);
            if (isPair) i++;
        }

        if (random.Next(8) == 0) uri.Append(s_broken[random.Next(s_broken.Length)]);
    }

    private static void Append(StringBuilder uri, byte value, Random random)
    {
        if (char.IsAsciiLetterOrDigit((char)value) && random.Next(10) > 0) uri.Append((char)value);
        else uri.Append('%').Append(value.ToString(random.Next(2) == 0 ? "x2" : "X2", CultureInfo.InvariantCulture));
    }

    // Half a surrogate pair as those write it who take UTF-16 for Unicode.
    private static byte[] Bytes(char character) => char.IsSurrogate(character)
        ? [(byte)(0xe0 | (character >> 12)), (byte)(0x80 | ((character >> 6) & 0x3f)), (byte)(0x80 | (character & 0x3f))]
        : Encoding.UTF8.GetBytes([character]);
}
