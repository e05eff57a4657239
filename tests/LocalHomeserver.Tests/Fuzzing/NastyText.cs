namespace LocalHomeserver.Tests;

/// <summary>Texts that a reader, a store or a log could stumble over. Half of a surrogate pair is a character here as any other.</summary>
internal static class NastyText
{
    private const int MaxName = 60;

    private static readonly string[] s_known =
    [
        "", " ", "*", "@", ":", "@:", "a:b:c", "ed25519:", "signed_curve25519:", ":x", "__proto__",
        ".", "..", "/", "\\", "\"", "%00", "%2F", "null", "{}", "0", "-1", "1e999",
        "\0", "a\0b", "\n", "a\nb", "\r\n", "\u000b", "\u007f", "\u0085", "\u2028", "a\u2029b",
        "\ufffe", "\uffff", "\ufeff", "\ufdd0", "\ufffd", "\u202e", "e\u0301", "\ud83d\ude00", "\udbff\udfff", "\ud800\udc00",
        "\ud800", "\udbff", "\udc00", "\udfff", "\udc00\ud800", "\ud800\ud800\udc00", "\ud800\udc00\udc00",
    ];

    // Few, so that the same comes again: in a message, and in what is said about its sender.
    private static readonly string[] s_userIds =
    [
        "@\0:hs2.localhost", "@a\0b:hs1.localhost", "@a\nb:hs2.localhost", "@a\u2028b:hs2.localhost", "@a\u0085b:hs2.localhost", "@a b:hs2.localhost",
        "@\ud83d\ude00:hs2.localhost", "@\ud83d:hs2.localhost", "@\udc00:hs1.localhost", "@:hs2.localhost", "@a:hs2.localhost:1", "@a:hs2.localhost\0",
        "@fuzz-recipient:hs1.localhost\0", "@a:", "a:hs1.localhost", "@" + new string('a', 300) + ":hs2.localhost",
    ];

    /// <summary>Something else than a text that was there, or something close to it.</summary>
    public static string InsteadOf(string text, Random random) => random.Next(8) switch
    {
        <= 3 when text.StartsWith('@') => s_userIds[random.Next(s_userIds.Length)],
        0 or 1 => s_known[random.Next(s_known.Length)],
        2 => text.Insert(random.Next(text.Length + 1), Half(random)),
        3 => text.Insert(random.Next(text.Length + 1), Any(random)),
        4 => Filled(random, Half),
        5 => Filled(random, Any),
        6 => random.Next(20) == 0 ? Long(random) : Half(random) + text,
        _ => text + Any(random),
    };

    /// <summary>A half, or what looks like a whole and is none.</summary>
    private static string Half(Random random) => random.Next(5) switch
    {
        0 => $"{High(random)}",
        1 => $"{Low(random)}",
        2 => $"{Low(random)}{High(random)}",
        3 => $"{High(random)}{High(random)}{Low(random)}",
        _ => $"{High(random)}x",
    };

    private static char High(Random random) => (char)random.Next(0xd800, 0xdc00);

    private static char Low(Random random) => (char)random.Next(0xdc00, 0xe000);

    private static string Any(Random random) => random.Next(6) switch
    {
        0 => "\0",
        1 => $"{(char)random.Next(0x20)}",
        2 => $"{(char)random.Next(0x7f, 0xa0)}",
        3 => random.Next(2) == 0 ? "\u2028" : "\uffff",
        4 => char.ConvertFromUtf32(random.Next(0x10000, 0x110000)),
        _ => Half(random),
    };

    /// <summary>A name that could be as long as one that is looked for, with something in it, before it or behind it.</summary>
    private static string Filled(Random random, Func<Random, string> make)
    {
        var before = random.Next(MaxName / 2);
        return new string('m', before) + make(random) + new string('x', random.Next(MaxName - before));
    }

    // Nothing that a store could make small again: its indexes have limits.
    private static string Long(Random random) =>
        new(random.GetItems("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".AsSpan(), random.Next(2) == 0 ? 70_000 : random.Next(200, 5000)));
}
