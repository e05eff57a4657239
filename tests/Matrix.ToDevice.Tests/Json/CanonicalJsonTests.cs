using System.Text;
using System.Text.Json;

namespace Matrix.ToDevice.Tests;

/// <summary>The form of JSON that is signed, and the one that is verified.</summary>
public class CanonicalJsonTests
{
    // The examples of the specification's appendices.
    [TestCase("{}", "{}")]
    [TestCase("""{ "one": 1, "two": "Two" }""", """{"one":1,"two":"Two"}""")]
    [TestCase("""{ "b": "2", "a": "1" }""", """{"a":"1","b":"2"}""")]
    [TestCase("""{"b":"2","a":"1"}""", """{"a":"1","b":"2"}""")]
    [TestCase(
        """
        {"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {"display_name": "John Doe", "three_pids": [
            {"medium": "email", "address": "john.doe@example.org"}, {"medium": "msisdn", "address": "123456789"} ] } } }
        """,
        """{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}""")]
    [TestCase("""{ "a": "日本語" }""", """{"a":"日本語"}""")]
    [TestCase("""{ "本": 2, "日": 1 }""", """{"日":1,"本":2}""")]
    [TestCase("""{ "a": "\u65E5" }""", """{"a":"日"}""")]
    [TestCase("""{ "a": null }""", """{"a":null}""")]
    [TestCase("""{ "a": -0, "b": 1e10 }""", """{"a":0,"b":10000000000}""")]
    // And values that are no objects.
    [TestCase(" [ 1 , [ ] , { } , \"\" , true , false , null ] ", """[1,[],{},"",true,false,null]""")]
    [TestCase("\t\"\\u0061\"\r\n", "\"a\"")]
    [TestCase(" 12E2 ", "1200")]
    [TestCase("[[[{\"b\":[{\"d\":1,\"c\":2}],\"a\":3}]],{\"y\":0,\"x\":0}]", "[[[{\"a\":3,\"b\":[{\"c\":2,\"d\":1}]}]],{\"x\":0,\"y\":0}]")]
    public void D20_the_specifications_examples_come_out_as_it_says(string json, string canonical)
    {
        Assert.That(Encode(json), Is.EqualTo(canonical));
        Assert.That(Encode(canonical), Is.EqualTo(canonical), "it is its own canonical form");
    }

    [Test]
    public void D20_escapes_are_the_shortest_and_only_where_one_is_needed() => Assert.That(
        Encode("""["\u0000\u0007\b\t\n\u000B\f\r\u001F\u0020\"\\\/\u007f\u00e9\u2028<>&'+\ud83d\ude00"]"""),
        Is.EqualTo("[\"\\u0000\\u0007\\b\\t\\n\\u000b\\f\\r\\u001f \\\"\\\\/\u007f\u00e9\u2028<>&'+\U0001F600\"]"));

    [Test]
    public void D20_keys_are_sorted_by_code_point_also_past_the_first_65536() =>
        // As .NET's strings, the first key comes before the second: its first half is U+D83D.
        Assert.That(
            Encode("""{"\ud83d\ude00":2,"\uff61":1,"a":0,"\u0061a":0,"A":0,"":0,"a\u0000":0}"""),
            Is.EqualTo("{\"\":0,\"A\":0,\"a\":0,\"a\\u0000\":0,\"aa\":0,\"\uff61\":1,\"\U0001F600\":2}"));

    [TestCase("9007199254740991", "9007199254740991")]
    [TestCase("-9007199254740991", "-9007199254740991")]
    [TestCase("9007199254740991.000", "9007199254740991")]
    [TestCase("9007199254740991e0", "9007199254740991")]
    [TestCase("0.9007199254740991E+16", "9007199254740991")]
    [TestCase("90071992547409910e-1", "9007199254740991")]
    [TestCase("-1000000000000000", "-1000000000000000")]
    [TestCase("1e3", "1000")]
    [TestCase("1E+3", "1000")]
    [TestCase("1e15", "1000000000000000")]
    [TestCase("1.0", "1")]
    [TestCase("-1.0", "-1")]
    [TestCase("1.50e1", "15")]
    [TestCase("10e-1", "1")]
    [TestCase("12000.00e-3", "12")]
    [TestCase("0", "0")]
    [TestCase("-0", "0")]
    [TestCase("-0.0", "0")]
    [TestCase("-0e7", "0")]
    [TestCase("0.000000000000000000000000000000000000", "0")]
    [TestCase("0e99999999999", "0")]
    [TestCase("-0.0E-99999999999999999999999999999", "0")]
    [TestCase("1000000000000000000000e-18", "1000")]
    [TestCase("0.000000000000000000000000000001e33", "1000")]
    [TestCase("1e00000000000000000000000000000000003", "1000")]
    [TestCase("1e-00000000000000000000000000000000000", "1")]
    public void D20_a_number_that_is_whole_becomes_an_integer_however_it_is_written(string number, string canonical)
    {
        Assert.That(Encode(number), Is.EqualTo(canonical));
        Assert.That(Encode($"{{\"a\":[{number},{number}]}}"), Is.EqualTo($"{{\"a\":[{canonical},{canonical}]}}"));
    }

    [Test]
    public void D20_whole_numbers_of_a_million_digits_are_integers_and_others_are_not()
    {
        var zeros = new string('0', 1_000_000);
        Assert.That(Encode($"1.{zeros}"), Is.EqualTo("1"));
        Assert.That(Encode($"1{zeros}e-1000000"), Is.EqualTo("1"));
        Assert.That(Encode($"0.{zeros}1e1000002"), Is.EqualTo("10"));
        Assert.That(Encode($"0.{zeros}"), Is.EqualTo("0"));
        IsRefused($"1.{zeros}1");
        IsRefused($"1{zeros}");
        IsRefused($"1{zeros}e-1000001");
        IsRefused($"1e{zeros}99");
        IsRefused($"1e-{new string('9', 1_000_000)}");
    }

    [TestCase("9007199254740992")]
    [TestCase("-9007199254740992")]
    // Small numbers, if the zeros did not count or 64 bits ran over.
    [TestCase("900000000000000000001")]
    [TestCase("10000000000000000000000000000000000000000000000000000000000000001")]
    [TestCase("9007199254740991.5")]
    [TestCase("9007199254740992.0")]
    [TestCase("9.007199254740992e15")]
    [TestCase("10000000000000000")]
    [TestCase("1e16")]
    [TestCase("99999999999999999999999999999999999999999")]
    [TestCase("1e400")]
    [TestCase("1e9999999999999999999999999")]
    [TestCase("18446744073709551617")]
    [TestCase("1.5")]
    [TestCase("0.1")]
    [TestCase("1e-1")]
    [TestCase("1e-30")]
    [TestCase("1.00000000000000000000000000000000001")]
    [TestCase("1e-9999999999999999999999999")]
    [TestCase("10e-2")]
    [TestCase("{\"a\":[{\"b\":0.1}]}")]
    public void D20_what_is_not_an_integer_that_every_library_keeps_has_no_canonical_form(string json) => IsRefused(json);

    [TestCase("\"\\ud800\"")]
    [TestCase("\"\\udc00\\ud800\"")]
    [TestCase("\"\\ud800\\u0061\"")]
    [TestCase("{\"\\udc00\":1}")]
    [TestCase("{\"b\":1,\"\\udc00\":1,\"a\":1}")]
    public void D20_half_a_surrogate_pair_has_no_canonical_form(string json) => IsRefused(json);

    [TestCase("""{"a":1,"a":1}""")]
    [TestCase("""{"a":1,"b":2,"\u0061":3}""")]
    [TestCase("""[{"x":{"":1,"":2}}]""")]
    [TestCase("""{"c":{"b":0,"a":1,"\u0062":2}}""")]
    public void D20_a_key_that_is_there_twice_has_no_canonical_form(string json) => IsRefused(json);

    [TestCase("[1.5,1e3,-0.0,-0,9007199254740992,1E+30,1.50,0e99]", "[1.5,1e3,-0.0,-0,9007199254740992,1E+30,1.50,0e99]")]
    [TestCase("""{ "b":1.0 , "a" : 10.00 }""", """{"a":10.00,"b":1.0}""")]
    [TestCase("""{"b":1,"a":2,"b":3,"\u0061":4,"a":5}""", """{"a":2,"a":4,"a":5,"b":1,"b":3}""")]
    [TestCase("\"\\uD800\\u0061\\uDFFF\\udbff\"", "\"\\ud800a\\udfff\\udbff\"")]
    // By code point, halves stand between U+D7FF and U+E000.
    [TestCase("""{"\ue000":4,"\ud800\udc00":5,"\uDBFF":3,"\ud800":2,"\ud7ff":1}""", "{\"\ud7ff\":1,\"\\ud800\":2,\"\\udbff\":3,\"\ue000\":4,\"\U00010000\":5}")]
    public void D20_what_others_have_signed_keeps_its_numbers_its_keys_and_its_halves(string json, string expected)
    {
        Assert.That(AsWritten(json), Is.EqualTo(expected));
        Assert.That(AsWritten(expected), Is.EqualTo(expected));
    }

    [Test]
    public void D20_keys_of_the_outermost_object_can_be_left_out_whatever_they_hold()
    {
        const string Json = """{"unsigned":{"b":1.5,"a":"\ud800","a":2},"b":{"unsigned":1,"signatures":[]},"signat\u0075res":{"x":1},"a":2}""";
        const string Expected = """{"a":2,"b":{"signatures":[],"unsigned":1}}""";
        Assert.That(Text(CanonicalJson.Encode(Encoding.UTF8.GetBytes(Json), "signatures", "unsigned")), Is.EqualTo(Expected));
        Assert.That(Text(CanonicalJson.EncodeAsWritten(Encoding.UTF8.GetBytes(Json), "signatures", "unsigned")), Is.EqualTo(Expected));
        using var document = JsonDocument.Parse(Json);
        Assert.That(Text(CanonicalJson.Encode(document.RootElement, "signatures", "unsigned")), Is.EqualTo(Expected));
        Assert.That(Text(CanonicalJson.EncodeAsWritten(document.RootElement, "signatures", "unsigned")), Is.EqualTo(Expected));
        Assert.That(Text(CanonicalJson.Encode("{\"a\":1}"u8, "a")), Is.EqualTo("{}"));
        Assert.That(Text(CanonicalJson.Encode("[{\"a\":1}]"u8, "a")), Is.EqualTo("[{\"a\":1}]"));
        Assert.That(Text(CanonicalJson.Encode("{\"\":{\"a\":1},\"é\":2}"u8, "é")), Is.EqualTo("{\"\":{\"a\":1}}"));
    }

    [TestCase("")]
    [TestCase(" ")]
    [TestCase("{")]
    [TestCase("{} {}")]
    [TestCase("{\"a\":1,}")]
    [TestCase("[1] // no comments")]
    [TestCase("\uFEFF{}")]
    [TestCase("NaN")]
    [TestCase("01")]
    [TestCase("\"\n\"")]
    public void R4_what_is_not_one_JSON_value_is_said_to_be_none(string json)
    {
        Assert.That(() => Encode(json), Throws.InstanceOf<JsonException>());
        Assert.That(() => AsWritten(json), Throws.InstanceOf<JsonException>());
    }

    [Test]
    public void R4_what_is_not_UTF_8_and_what_is_no_value_are_said_to_be_none()
    {
        byte[][] texts = [[(byte)'"', 0xff, (byte)'"'], [(byte)'"', 0xed, 0xa0, 0x80, (byte)'"'], [(byte)'"', 0xc3, (byte)'"']];
        foreach (var json in texts)
        {
            Assert.That(() => CanonicalJson.Encode(json), Throws.InstanceOf<JsonException>());
            Assert.That(() => CanonicalJson.EncodeAsWritten(json), Throws.InstanceOf<JsonException>());
            // A document takes it.
            Assert.That(() => CanonicalJson.Encode(JsonElement.Parse(json)), Throws.InstanceOf<JsonException>());
        }

        Assert.That(() => CanonicalJson.EncodeAsWritten(default(JsonElement)), Throws.InstanceOf<JsonException>());
    }

    // On a stack that a recursion of a few thousand levels would overflow, and within a time that no quadratic encoder keeps.
    [TestCase("[", "1", "]", 5_000_000)]
    [TestCase("{\"\":", "1", "}", 1_600_000)]
    [TestCase("{\"b\":", "1", ",\"a\":1}", 700_000)]
    [TestCase("[{\"b\":1,\"a\":", "[]", "}]", 600_000)]
    [TestCase("{\"\\u0062\":0,\"a\":", "{}", "}", 600_000)]
    public async Task D20_a_value_that_nests_as_deep_as_ten_megabytes_allow_is_encoded(string open, string middle, string close, int depth)
    {
        var json = string.Concat(Enumerable.Repeat(open, depth)) + middle + string.Concat(Enumerable.Repeat(close, depth));
        var length = 0;
        var done = new TaskCompletionSource();
        var thread = new Thread(
            () =>
            {
                try
                {
                    var strict = CanonicalJson.Encode(Encoding.UTF8.GetBytes(json));
                    var asWritten = CanonicalJson.EncodeAsWritten(Encoding.UTF8.GetBytes(json));
                    Assert.That(strict.AsSpan().SequenceEqual(asWritten));
                    length = strict.Length;
                    done.SetResult();
                }
                catch (Exception e)
                {
                    done.SetException(e);
                }
            },
            maxStackSize: 256 * 1024);
        thread.Start();
        await done.Task.WaitAsync(TimeLimit.OfOneWait);

        Assert.That(length, Is.EqualTo(json.Replace("\\u0062", "b", StringComparison.Ordinal).Length));
    }

    [Test]
    public async Task D20_a_million_keys_in_the_wrong_order_are_sorted()
    {
        const int Count = 500_000;
        var json = $"{{{string.Join(",", Enumerable.Range(1, Count).Select(n => $"\"{Count - n:000000}\":0"))}}}";
        var expected = $"{{{string.Join(",", Enumerable.Range(0, Count).Select(n => $"\"{n:000000}\":0"))}}}";
        Assert.That(await Task.Run(() => Encode(json)).WaitAsync(TimeLimit.OfOneWait) == expected);
    }

    private static string Encode(string json) => Text(CanonicalJson.Encode(Encoding.UTF8.GetBytes(json)));

    private static string AsWritten(string json) => Text(CanonicalJson.EncodeAsWritten(Encoding.UTF8.GetBytes(json)));

    private static string Text(byte[] utf8) => Encoding.UTF8.GetString(utf8);

    private static void IsRefused(string json)
    {
        Assert.Throws<CanonicalJsonException>(() => Encode(json));
        AsWritten(json);
    }
}
