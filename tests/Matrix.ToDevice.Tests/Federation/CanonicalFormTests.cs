using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// Requests between servers are signed as canonical JSON. A content without such a form is refused when it is sent, to a user of
/// another server: accepted, it could never be delivered.
/// </summary>
public class CanonicalFormTests : HttpTests
{
    [TestCase("1.5")]
    [TestCase("1.0")]
    [TestCase("1e-1")]
    [TestCase("10E-1")]
    [TestCase("9007199254740992")]
    [TestCase("-9007199254740992")]
    [TestCase("1e16")]
    [TestCase("1e999999999")]
    [TestCase("""{"a":1,"a":2}""")]
    [TestCase("""{"a":1,"\u0061":2}""")]
    [TestCase("""[{"b":{"c":1,"c":1}}]""")]
    [TestCase("""
        "\ud800"
        """)]
    [TestCase("""{"\udc00":1}""")]
    public async Task D9_D16_a_content_without_a_canonical_form_is_refused_for_another_server_and_delivered_here(string value)
    {
        (await Alice.PutAsync("m.test", "t1", $$$"""{"messages":{"@bob:hs1":{"B1":{} },"@carol:hs2":{"C1":{"v":{{{value}}} } } } }"""))
            .ShouldBe(400, "M_BAD_JSON");
        Assert.That(await CountBobsMailAsync(), Is.Zero, "nothing is delivered to anyone");
        Assert.That(await DestinationsAsync(), Is.Empty);

        (await Alice.SendAsync("t1", "@bob:hs1", "B1", $$"""{"v":{{value}}}""")).ShouldBeAccepted();
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [TestCase("0")]
    [TestCase("-0")]
    [TestCase("1e3")]
    [TestCase("1E+2")]
    [TestCase("9007199254740991")]
    [TestCase("-9007199254740991")]
    [TestCase("""{"a":{"a":1},"b":[{"a":1},{"a":2}]}""")]
    [TestCase("""
        "\ud83d\udd11 \u0000 \/"
        """)]
    [TestCase("[true,false,null]")]
    public async Task D9_D16_a_content_with_a_canonical_form_goes_out_as_it_was_written(string value)
    {
        (await Alice.SendAsync("t1", "@carol:hs2", "C1", $$"""{"v":{{value}}}""")).ShouldBeAccepted();

        var edu = (await Server.Services.GetRequiredService<IFederationOutbox>().ReadAsync("hs2", 1, default)).Single();
        Assert.That(System.Text.Encoding.UTF8.GetString(edu.Content.Span), Does.Contain($$"""{"v":{{value.Trim()}}}"""));
    }

    private async Task<IReadOnlyList<string>> DestinationsAsync() =>
        await Server.Services.GetRequiredService<IFederationOutbox>().ListDestinationsAsync(null, 100, default);
}
