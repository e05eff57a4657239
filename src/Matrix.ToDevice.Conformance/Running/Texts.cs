namespace Matrix.ToDevice;

/// <summary>A text that a client or another server may choose.</summary>
/// <param name="Value">The text.</param>
/// <param name="Kind">What is special about it.</param>
internal sealed record ChosenText(string Value, string Kind);

/// <summary>Texts of all kinds with which a column, an index or a comparison can be wrong.</summary>
internal static class Texts
{
    private const string Letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    private const int LabelBytes = 50, Labels = 4;

    public static string Random(int length) => new(System.Random.Shared.GetItems<char>(Letters, length));

    /// <summary>The beginning of a server name of 200 and some bytes: with it, a user ID has 255 at most.</summary>
    public static string RandomLabels() => string.Join('.', Enumerable.Range(0, Labels).Select(_ => Random(LabelBytes)));

    /// <summary>No two are the same.</summary>
    /// <param name="bytes">How many a long one has.</param>
    public static List<ChosenText> Any(int bytes) =>
    [
        .. Of("a NUL", "a\0b", "a\0c", "a\0"),
        .. Of("a control character", "a\u0001", "a\n", "a\u007f"),
        .. Printable(bytes),
    ];

    /// <inheritdoc cref="Any"/>
    /// <summary>Those without control characters.</summary>
    public static List<ChosenText> Printable(int bytes)
    {
        var (ending, beginning) = (Random(bytes - 1), Random(bytes - 1));
        return
        [
            .. Of("a character alone", "a", "%", "_", " ", "\u0301"),
            .. Of("a blank at the end", "t", "t ", "t  "),
            .. Of("a blank at the beginning", " t"),
            .. Of("a text that differs from another in case", "m.room", "M.Room", "M.ROOM"),
            .. Of("a letter outside of ASCII", "é", "ß", "ss", "漢字"),
            .. Of("a character of four bytes", "😀", "😁"),
            .. Of("an accent of its own", "e\u0301", "e"),
            .. Of("a quote or an escape", "'; --", "\"", "\\", "%2F", "/", "\\0"),
            .. Of($"a random text of {bytes} bytes", Random(bytes), Random(bytes)),
            .. Of($"a text of {bytes} bytes that differs from another at its end", ending + "A", ending + "B"),
            .. Of($"a text of {bytes} bytes that differs from another at its beginning", "A" + beginning, "B" + beginning),
            .. Of($"a text of {bytes} bytes outside of ASCII", string.Concat(Enumerable.Repeat("😀", bytes / 4))),
        ];
    }

    public static IEnumerable<ChosenText> Of(string kind, params IEnumerable<string> values) => values.Select(value => new ChosenText(value, kind));
}
