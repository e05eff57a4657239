using System.Text;

namespace LocalHomeserver.Tests;

/// <summary>Bytes that are no JSON any more, or hardly.</summary>
internal static class Damage
{
    private static readonly byte[][] s_inserted =
    [
        [0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xed, 0xb0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80], [0xf0, 0x9f], [0],
        [0x0a], [0x0d, 0x0a], [0x7f], [0xc2, 0x85], [0xe2, 0x80, 0xa8], [(byte)'"'], [(byte)'\\'], .. Texts("\\u", "\\ud8", "\\x", "{", "}", "[", "]", ",", ":", "NaN", "//", "'"),
    ];

    private static readonly byte[][] s_trailing = Texts("{}", "x", "\0", " ", "\n", "]", "}", ",", "null", "\ufeff");

    public static byte[] To(byte[] json, Random random)
    {
        var place = random.Next(json.Length + 1);
        switch (random.Next(7))
        {
            case 0:
                return json[..place];
            case 1:
                return [.. "\ufeff"u8, .. json];
            case 2:
                return [.. json, .. s_trailing[random.Next(s_trailing.Length)]];
            case 3:
                return random.Next(2) == 0 ? Encoding.Unicode.GetBytes(Encoding.UTF8.GetString(json)) : [];
            case 4 when place < json.Length:
                var changed = (byte[])json.Clone();
                changed[place] = (byte)random.Next(256);
                return changed;
            default:
                return [.. json[..place], .. s_inserted[random.Next(s_inserted.Length)], .. json[place..]];
        }
    }

    private static byte[][] Texts(params string[] texts) => [.. texts.Select(Encoding.UTF8.GetBytes)];
}
