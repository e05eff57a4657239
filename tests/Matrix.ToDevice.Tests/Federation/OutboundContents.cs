namespace Matrix.ToDevice.Tests;

/// <summary>What clients send to users of other servers: what the outbox takes, and what is refused.</summary>
internal static class OutboundContents
{
    private static readonly string s_zeros = new('0', 1000);

    /// <summary>Values, and what is signed and sent of them.</summary>
    public static IEnumerable<TestCaseData> Taken { get; } = Cases(
        ("0", "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("0e99999999999", "0"),
        ("1e3", "1000"),
        ("1E+2", "100"),
        ("1.0", "1"),
        ("-1.000", "-1"),
        ("1.5e1", "15"),
        ("10e-1", "1"),
        ("1000000000000000000000e-18", "1000"),
        ($"1.{s_zeros}", "1"),
        ($"1{s_zeros}e-1000", "1"),
        ("9007199254740991", "9007199254740991"),
        ("-9007199254740991", "-9007199254740991"),
        ("0.9007199254740991E+16", "9007199254740991"),
        ("1e15", "1000000000000000"),
        ("[true,false,null,[],{},\"\"]", "[true,false,null,[],{},\"\"]"),
        ("[ 1 ,\t2 ]", "[1,2]"),
        ("\"\\ud83d\\udd11 \\u0000 \\/ \\u00e9 é \\u007f \\u2028 \\u0041\"", "\"\U0001F511 \\u0000 / é é \u007f \u2028 A\""),
        ("\"\\b\\f\\n\\r\\t\\u001f\\\"\\\\ <&>'\"", "\"\\b\\f\\n\\r\\t\\u001f\\\"\\\\ <&>'\""),
        ("""{"b":1,"a":{"d":1,"c":2},"":0}""", """{"":0,"a":{"c":2,"d":1},"b":1}"""),
        ("""{"\ud83d\ude00":3,"\uff61":2,"\u0061":1}""", "{\"a\":1,\"\uff61\":2,\"\U0001F600\":3}"),
        ("""[{"a":1},{"a":1}]""", """[{"a":1},{"a":1}]"""),
        (Nested(119, "1e1"), Nested(119, "10")),
        ($"\"{new string('x', 60_000)}\"", $"\"{new string('x', 60_000)}\""),
        ($"[{Many("1e15", 3000)}]", $"[{Many("1000000000000000", 3000)}]"),
        ($"[{Many("1.0", 15_000)}]", $"[{Many("1", 15_000)}]"));

    /// <summary>Values without a canonical form.</summary>
    public static IEnumerable<TestCaseData> Refused { get; } = Cases(
        "1.5",
        "0.1",
        "1e-1",
        "10E-2",
        "9007199254740992",
        "-9007199254740992",
        "9007199254740991.5",
        "1e16",
        "1e400",
        "1e999999999999999999999",
        "1e-999999999999999999999",
        $"1.{s_zeros}1",
        """{"a":1,"a":2}""",
        """{"a":1,"\u0061":2}""",
        """{"b":1,"a":2,"b":3}""",
        """[{"b":{"c":1,"c":1}}]""",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\\ud800x\"",
        """{"\udc00":1}""",
        """{"\ud800aaaaaaaaaaaaaaaaaaaaaaaaaaa":1}""",
        Nested(119, "1.5"));

    /// <summary>Values that fit in the form in which they were written, and in canonical form do not.</summary>
    public static IEnumerable<TestCaseData> TooLarge { get; } = Cases($"[{Many("1e15", 4500)}]", $"[{Many("0.1e16", 4500)}]");

    private static string Nested(int depth, string value) =>
        string.Concat(Enumerable.Repeat("[", depth)) + value + string.Concat(Enumerable.Repeat("]", depth));

    private static string Many(string value, int count) => string.Join(",", Enumerable.Repeat(value, count));

    private static TestCaseData[] Cases(params (string Value, string Canonical)[] cases) =>
        [.. cases.Select(one => new TestCaseData(one.Value, one.Canonical).SetArgDisplayNames(Short(one.Value)))];

    private static TestCaseData[] Cases(params string[] cases) => [.. cases.Select(one => new TestCaseData(one).SetArgDisplayNames(Short(one)))];

    /// <summary>A name that is not too long, and with nothing in it that a report could not hold.</summary>
    internal static string Short(string value)
    {
        var text = string.Concat(value.Select(c => c is < ' ' or > '~' ? $"U+{(int)c:X4}" : c.ToString()));
        return text.Length <= 60 ? text : $"{text[..50]}… {text.Length}";
    }
}
