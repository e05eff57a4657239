using System.Text;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// Requests between servers are signed as canonical JSON. An EDU is in that form, so that a receiver that encodes it again finds what was
/// signed; a content without such a form is refused when it is sent to a user of another server: accepted, it could never be delivered.
/// </summary>
public class CanonicalFormTests : HttpTests
{
    [TestCaseSource(typeof(OutboundContents), nameof(OutboundContents.Taken))]
    public async Task D20_what_goes_into_an_EDU_is_in_canonical_form_and_the_next_one_follows(string value, string canonical)
    {
        (await Alice.SendAsync("t1", "@carol:hs2", "C1", $$"""{"v":{{value}},"b":1.0,"a":2}""")).ShouldBeAccepted();
        (await Alice.SendAsync("t2", "@carol:hs2", "C1", """{"good":1}""")).ShouldBeAccepted();

        var edus = await ReadAsync();
        Assert.That(edus.Select(edu => Encoding.UTF8.GetString(edu.Content.Span)), Is.EqualTo(new[]
        {
            Edu(edus[0].MessageId, $$"""{"a":2,"b":1,"v":{{canonical}}}"""), Edu(edus[1].MessageId, """{"good":1}"""),
        }));
    }

    [TestCaseSource(typeof(OutboundContents), nameof(OutboundContents.Refused))]
    public Task D7_D20_a_content_without_a_canonical_form_is_refused_for_another_server_and_delivered_here(string value) =>
        IsRefusedAsync(value, 400, "M_BAD_JSON");

    [TestCaseSource(typeof(OutboundContents), nameof(OutboundContents.TooLarge))]
    public Task D16_D20_a_content_is_as_large_as_its_canonical_form(string value) => IsRefusedAsync(value, 413, "M_TOO_LARGE");

    [Test]
    public async Task D20_user_IDs_and_device_IDs_of_an_EDU_are_in_order_and_their_contents_stay_with_them()
    {
        (await Alice.PutAsync("m.\U0001F600", "t1", """
            {"messages":{"@d:hs2":{"\ud83d\ude00":{"n":1},"*":{"n":2},"\uff61":{"n":3}},"@\u00e9:hs2":{"D":{"n":4}},"@bob:hs1":{"B1":{"n":0}},"@c:hs2":{"\u0042":{"n":5},"A":{"n":6}}}}
            """)).ShouldBeAccepted();

        var edu = (await ReadAsync()).Single();
        var messages = """{"@c:hs2":{"A":{"n":6},"B":{"n":5}},"@d:hs2":{"*":{"n":2},"HALF":{"n":3},"😀":{"n":1}},"@é:hs2":{"D":{"n":4}}}"""
            .Replace("HALF", "\uff61", StringComparison.Ordinal);
        Assert.That(Encoding.UTF8.GetString(edu.Content.Span), Is.EqualTo(
            $$"""{"message_id":"{{edu.MessageId}}","messages":{{messages}},"sender":"@alice:hs1","type":"m.😀"}"""));
    }

    [Test]
    public async Task D9_D20_the_devices_of_this_server_get_what_was_written()
    {
        (await Alice.PutAsync("m.test", "t1", """{"messages":{"@carol:hs2":{"C1":{"b":1e3,"a":1.0}},"@bob:hs1":{"B1":{"b":1e3,"a":1.0}}}}"""))
            .ShouldBeAccepted();

        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { """{"b":1e3,"a":1.0}""" }));
        Assert.That(Encoding.UTF8.GetString((await ReadAsync()).Single().Content.Span), Does.Contain("""{"a":1,"b":1000}"""));
    }

    private async Task IsRefusedAsync(string value, int status, string errorCode)
    {
        (await Alice.PutAsync("m.test", "t1", $$$"""{"messages":{"@bob:hs1":{"B1":{} },"@carol:hs2":{"C0":{},"C1":{"v":{{{value}}} } } } }"""))
            .ShouldBe(status, errorCode);
        Assert.That(await CountBobsMailAsync(), Is.Zero, "nothing is delivered to anyone");
        Assert.That(await ReadAsync(), Is.Empty);

        (await Alice.SendAsync("t1", "@bob:hs1", "B1", $$"""{"v":{{value}}}""")).ShouldBeAccepted();
        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { $$"""{"v":{{value}}}""" }));
        (await Alice.SendAsync("t2", "@carol:hs2", "C1")).ShouldBeAccepted();
        Assert.That(await ReadAsync(), Has.Count.EqualTo(1), "the next one goes");
    }

    private static string Edu(string messageId, string content) =>
        $$"""{"message_id":"{{messageId}}","messages":{"@carol:hs2":{"C1":{{content}}""" + """}},"sender":"@alice:hs1","type":"m.test"}""";

    private async Task<IReadOnlyList<OutboxEntry>> ReadAsync() =>
        await Server.Services.GetRequiredService<IFederationOutbox>().ReadAsync("hs2", 100);
}
