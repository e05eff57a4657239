using System.Text;

namespace LocalHomeserver.Tests;

/// <summary>The stand-in for a server in Python writes what Python would.</summary>
internal sealed class PythonJsonTests
{
    // From Python 3.11: repr(json.loads(…)).
    [TestCase("0", "0")]
    [TestCase("-0", "0")]
    [TestCase("1000000000000000000000000000000", "1000000000000000000000000000000")]
    [TestCase("1e3", "1000.0")]
    [TestCase("1.0", "1.0")]
    [TestCase("1.5", "1.5")]
    [TestCase("-0.0", "-0.0")]
    [TestCase("0.1", "0.1")]
    [TestCase("1e16", "1e+16")]
    [TestCase("1e15", "1000000000000000.0")]
    [TestCase("123456789012345678.0", "1.2345678901234568e+17")]
    [TestCase("1e-4", "0.0001")]
    [TestCase("1e-5", "1e-05")]
    [TestCase("1.25e-7", "1.25e-07")]
    [TestCase("1e22", "1e+22")]
    [TestCase("1e23", "1e+23")]
    [TestCase("5e-324", "5e-324")]
    [TestCase("9007199254740993.0", "9007199254740992.0")]
    [TestCase("1e100", "1e+100")]
    [TestCase("0e5", "0.0")]
    [TestCase("100.50", "100.5")]
    [TestCase("1.7976931348623157e308", "1.7976931348623157e+308")]
    public void Numbers_are_written_as_Python_writes_them(string number, string expected) => Assert.That(PythonJson.Number(number), Is.EqualTo(expected));

    [Test]
    public void Keys_are_sorted_the_last_of_two_counts_and_what_need_not_be_escaped_is_not() => Assert.That(
        Encoding.UTF8.GetString(PythonJson.Encode("""{ "b":[1 ,{}],"a":1,"\ud83d\ude00":"\u00e9\u0000\u007f\/","\uff61":null,"\u0061":2e0 }""")),
        Is.EqualTo("{\"a\":2.0,\"b\":[1,{}],\"\uff61\":null,\"\U0001F600\":\"é\\u0000\u007f/\"}"));
}
