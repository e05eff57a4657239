using System.Text;
using System.Text.Json;

namespace Matrix.ToDevice.Tests;

/// <summary>What a client may ask for in the extension, and what it is told when it does it wrongly.</summary>
internal sealed class ExtensionRequestTests
{
    [Test]
    public void R120_enabled_limit_and_since_are_read()
    {
        var request = Parse("""{"enabled":true,"limit":7,"since":"abc"}""");

        Assert.That((request.IsEnabled, request.Limit, request.Since), Is.EqualTo((true, 7, "abc")));
        Assert.That(request, Is.EqualTo(new ToDeviceExtensionRequest("abc", 7)));
    }

    [TestCase("""{"enabled":true}""")]
    [TestCase("""{"enabled":true,"since":null}""")]
    public void R120_R123_the_limit_is_100_unless_it_is_said_and_a_first_request_has_no_since(string config) =>
        Assert.That(Parse(config), Is.EqualTo(new ToDeviceExtensionRequest(null, 100)));

    [TestCase("1", 1)]
    [TestCase("1.0", 1)]
    [TestCase("1e2", 100)]
    [TestCase("2.50E+2", 250)]
    [TestCase("9007199254740991", int.MaxValue)]
    public void R120_a_limit_is_a_positive_integer_however_it_is_written(string limit, int expected) =>
        Assert.That(Parse($$"""{"enabled":true,"limit":{{limit}}}""").Limit, Is.EqualTo(expected));

    [TestCase("0")]
    [TestCase("-0")]
    [TestCase("0e5")]
    [TestCase("-1")]
    [TestCase("1.5")]
    [TestCase("1e-1")]
    [TestCase("9007199254740992")]
    [TestCase("1e999999999999")]
    [TestCase("\"5\"")]
    [TestCase("true")]
    [TestCase("null")]
    [TestCase("[1]")]
    [TestCase("{}")]
    public void R120_a_limit_that_is_no_positive_integer_is_refused(string limit)
    {
        IsRefused($$"""{"enabled":true,"limit":{{limit}}}""", "M_INVALID_PARAM");
        IsRefused($$"""{"limit":{{limit}},"enabled":false}""", "M_INVALID_PARAM");
    }

    [TestCase("1")]
    [TestCase("true")]
    [TestCase("[]")]
    [TestCase("{}")]
    [TestCase("\"\"")]
    [TestCase("\"\\ud800\"")]
    [TestCase("\"t\\ud800xxxxxxxxxxxxxxxxxxxxxxxxx\"")]
    public void R122_a_since_that_no_server_gives_out_is_refused(string since) =>
        IsRefused($$"""{"enabled":true,"since":{{since}}}""", "M_INVALID_PARAM");

    [TestCase("{}")]
    [TestCase("null")]
    [TestCase("""{"enabled":false,"limit":5,"since":"abc"}""")]
    [TestCase("""{"enabled":null}""")]
    [TestCase("""{"limit":5}""")]
    public void R120_an_extension_is_off_until_it_is_enabled(string config) =>
        Assert.That(Parse(config), Is.Default);

    [Test]
    public void An_extension_that_is_missing_from_the_request_is_off() =>
        Assert.That(ToDeviceExtensionRequest.Parse(default(JsonElement)), Is.Default);

    [TestCase("""{"enabled":1}""")]
    [TestCase("""{"enabled":"true"}""")]
    [TestCase("""{"enabled":{}}""")]
    [TestCase("[]")]
    [TestCase("\"on\"")]
    [TestCase("true")]
    [TestCase("1")]
    public void R4_what_is_of_a_wrong_type_is_bad_JSON(string config) => IsRefused(config, "M_BAD_JSON");

    [TestCase("")]
    [TestCase("{")]
    [TestCase("""{"enabled":true""")]
    [TestCase("""{"enabled":true}}""")]
    [TestCase("""{"enabled":true} 1""")]
    [TestCase("""{"limit":01}""")]
    [TestCase("nul")]
    public void R4_what_is_not_JSON_is_said_to_be_none(string config) => Assert.That(
        () => ToDeviceExtensionRequest.Parse(Encoding.UTF8.GetBytes(config)), Throws.TypeOf<ToDeviceErrorException>().With.Property("Error").Property("ErrorCode").EqualTo("M_NOT_JSON"));

    [Test]
    public void R127_members_that_nobody_knows_are_ignored_whatever_they_hold()
    {
        var deep = new string('[', 200) + new string(']', 200);

        Assert.That(
            Parse($$"""{"lists":["*"],"enabled":true,"limits":0,"a":{{deep}},"\ud800xxxxxxx":"\udc00","Since":5}"""),
            Is.EqualTo(new ToDeviceExtensionRequest(null)));
    }

    [Test]
    public void R4_names_are_the_same_however_they_are_escaped() =>
        Assert.That(Parse("""{"\u0065nabled":true,"sinc\u0065":"\u0061bc"}"""), Is.EqualTo(new ToDeviceExtensionRequest("abc")));

    [Test]
    public void A_host_cannot_ask_for_nothing() =>
        Assert.That(() => new ToDeviceExtensionRequest(null, 0), Throws.TypeOf<ArgumentOutOfRangeException>());

    // Both ways in are one.
    private static ToDeviceExtensionRequest Parse(string config)
    {
        using var document = JsonDocument.Parse($"[{config}]", new JsonDocumentOptions { MaxDepth = 1000 });
        var request = ToDeviceExtensionRequest.Parse(document.RootElement[0]);
        Assert.That(ToDeviceExtensionRequest.Parse(Encoding.UTF8.GetBytes($" {config} ")), Is.EqualTo(request));
        return request;
    }

    private static void IsRefused(string config, string errorCode)
    {
        var error = Assert.Throws<ToDeviceErrorException>(() => Parse(config))!.Error;
        Assert.That((error.StatusCode, error.ErrorCode), Is.EqualTo((400, errorCode)));
        Assert.That(error.Error, Does.StartWith("to_device"));
    }
}
