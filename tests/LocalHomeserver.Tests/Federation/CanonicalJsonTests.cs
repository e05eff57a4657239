using System.Text;
using System.Text.Json;

namespace LocalHomeserver.Tests;

internal sealed class CanonicalJsonTests
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
    public void The_specifications_examples_come_out_as_it_says(string json, string canonical) =>
        Assert.That(Encode(json), Is.EqualTo(canonical));

    [Test]
    public void Escapes_are_the_shortest_and_only_where_one_is_needed() => Assert.That(
        Encode("""["\u0000\u0007\b\t\n\u000B\f\r\u001F\u0020\"\\\/\u007f\u00e9\u2028<>&'+\ud83d\ude00"]"""),
        Is.EqualTo("[\"\\u0000\\u0007\\b\\t\\n\\u000b\\f\\r\\u001f \\\"\\\\/\u007f\u00e9\u2028<>&'+\U0001F600\"]"));

    [Test]
    public void Keys_are_sorted_by_code_point_also_past_the_first_65536() =>
        // As .NET's strings, the second key comes before the first: its first half is U+D83D.
        Assert.That(Encode("""{"\ud83d\ude00":2,"\uff61":1,"a":0,"aa":0,"A":0,"":0}"""), Is.EqualTo("{\"\":0,\"A\":0,\"a\":0,\"aa\":0,\"\uff61\":1,\"\U0001F600\":2}"));

    [TestCase("9007199254740991", "9007199254740991")]
    [TestCase("-9007199254740991", "-9007199254740991")]
    [TestCase("12E2", "1200")]
    [TestCase("-0e7", "0")]
    public void Integers_lose_every_other_form(string number, string canonical) => Assert.That(Encode(number), Is.EqualTo(canonical));

    [TestCase("9007199254740992")]
    [TestCase("-9007199254740992")]
    [TestCase("99999999999999999999999999999999999999999")]
    [TestCase("1e400")]
    [TestCase("1.5")]
    [TestCase("1.0")]
    [TestCase("1e-30")]
    [TestCase("10e-1")]
    [TestCase("{\"a\":[{\"b\":0.1}]}")]
    public void What_is_not_an_integer_that_every_library_keeps_is_refused(string json) => Refused(json);

    [TestCase("\"\\ud800\"")]
    [TestCase("{\"\\udc00\":1}")]
    public void Half_a_surrogate_pair_is_refused(string json) => Refused(json);

    [TestCase("""{"a":1,"a":1}""")]
    [TestCase("""{"a":1,"b":2,"\u0061":3}""")]
    [TestCase("""[{"x":{"":1,"":2}}]""")]
    public void A_key_that_is_there_twice_is_refused(string json) => Refused(json);

    private static string Encode(string json)
    {
        using var document = JsonDocument.Parse(json);
        return Encoding.UTF8.GetString(CanonicalJson.Encode(document.RootElement));
    }

    private static void Refused(string json) => Assert.Throws<CanonicalJsonException>(() => Encode(json));
}
