using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>The limit of a content is counted in bytes of canonical JSON, however the sender wrote it (D8).</summary>
public class ContentSizeTests : HttpTests
{
    private const int Limit = 65_536;

    /// <summary>A text, how the sender may write it, and how many bytes of it canonical JSON has.</summary>
    private static readonly TestCaseData[] s_spellings =
    [
        new TestCaseData("a", 1).SetArgDisplayNames("a letter"),
        new TestCaseData("\\u0061", 1).SetArgDisplayNames("an escaped letter"),
        new TestCaseData("\\u00e9", 2).SetArgDisplayNames("an escaped letter of two bytes"),
        new TestCaseData("é", 2).SetArgDisplayNames("a letter of two bytes"),
        new TestCaseData("\\u20AC", 3).SetArgDisplayNames("an escaped letter of three bytes"),
        new TestCaseData("\\ud83d\\udd11", 4).SetArgDisplayNames("an escaped surrogate pair"),
        new TestCaseData("🔑", 4).SetArgDisplayNames("a letter of four bytes"),
        new TestCaseData("\\/", 1).SetArgDisplayNames("an escaped slash"),
        new TestCaseData("\\\"", 2).SetArgDisplayNames("a quote"),
        new TestCaseData("\\u0022", 2).SetArgDisplayNames("a quote by its number"),
        new TestCaseData("\\n", 2).SetArgDisplayNames("a line feed"),
        new TestCaseData("\\u000a", 2).SetArgDisplayNames("a line feed by its number"),
        new TestCaseData("\\u0001", 6).SetArgDisplayNames("a control character"),
        new TestCaseData("\\u007f", 1).SetArgDisplayNames("delete"),
        new TestCaseData("\\ud83d", 6).SetArgDisplayNames("half of a surrogate pair"),
        new TestCaseData("\\ud83d\\u0061", 7).SetArgDisplayNames("half of a surrogate pair and a letter"),
        new TestCaseData("\\ud83d\\ud83d\\udd11", 10).SetArgDisplayNames("half of a surrogate pair and a whole one"),
    ];

    [TestCaseSource(nameof(s_spellings))]
    public async Task R29_D8_a_content_of_the_limit_is_accepted_and_one_byte_more_is_not(string spelling, int bytes)
    {
        await LimitIsExactAsync($"{{\"k\":\"{string.Concat(Enumerable.Repeat(spelling, 1000))}", bytes * 1000 + 8, "\"}");
        await LimitIsExactAsync($"{{\"{string.Concat(Enumerable.Repeat(spelling, 1000))}\":\"", bytes * 1000 + 7, "\"}");
    }

    [Test]
    public async Task D8_white_space_between_tokens_does_not_count()
    {
        await LimitIsExactAsync(
            "{ \"a\" : [ 1 ,\t2 , { } , [ ] ,\n\n { \"b\" : null , \"c\" : true } ] , \"k\" : \"",
            """{"a":[1,2,{},[],{"b":null,"c":true}],"k":""}""".Length,
            "\"" + new string(' ', 10_000) + "}");
    }

    [Test]
    public async Task D8_white_space_in_a_text_counts() => await LimitIsExactAsync("{\"k\":\"" + new string(' ', 60_000), 60_008, "\"}");

    [Test]
    public async Task D8_numbers_count_as_they_are_written() =>
        await LimitIsExactAsync("{\"n\":[1.000,-0.0,1E+2,18446744073709551616],\"k\":\"", """{"n":[1.000,-0.0,1E+2,18446744073709551616],"k":""}""".Length, "\"}");

    [Test]
    public async Task D8_one_content_too_large_and_nothing_is_delivered()
    {
        var large = $$"""{"k":"{{new string('x', Limit)}}"}""";

        var body = $$$"""{"messages":{"@bob:hs1":{"B1":{}},"@c:hs1":{"C":{{{large}}} } } }""";
        (await Alice.PutAsync("m.test", "t1", body)).ShouldBe(413, "M_TOO_LARGE");

        Assert.That(await CountBobsMailAsync(), Is.Zero);
        (await Alice.PutAsync("m.test", "t1", ToBob())).ShouldBeAccepted();
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task R29_D8_the_limit_is_for_each_content_not_for_the_body()
    {
        var content = $$"""{"k":"{{new string('x', 60_000)}}"}""";
        var devices = string.Join(",", Enumerable.Range(0, 50).Select(i => $"\"D{i}\":{content}"));

        (await Alice.PutAsync("m.test", "t1", $$$"""{"messages":{"@bob:hs1":{{{{devices}}},"B1":{} } } }""")).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task R29_D8_a_host_may_set_another_limit()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => builder.Services.Configure<SendToDeviceOptions>(options => options.MaxContentBytes = 9));
        var alice = server.Login("@alice:hs1", "A1");

        (await alice.PutAsync("m.test", "t1", ToBob("""{"k":"x"}"""))).ShouldBeAccepted();
        (await alice.PutAsync("m.test", "t2", ToBob("""{"k":"xx"}"""))).ShouldBe(413, "M_TOO_LARGE");
    }

    /// <summary>Fills a content of which <paramref name="length"/> canonical bytes are given up to the limit, and beyond.</summary>
    private async Task LimitIsExactAsync(string start, int length, string end)
    {
        var largest = start + new string('x', Limit - length) + end;
        (await Alice.PutAsync("m.test", $"{Guid.NewGuid()}", ToBob(largest))).ShouldBeAccepted();
        (await Alice.PutAsync("m.test", $"{Guid.NewGuid()}", ToBob(start + new string('x', Limit - length + 1) + end))).ShouldBe(413, "M_TOO_LARGE");
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
        await Bob.SyncAsync((await Bob.SyncAsync()).NextBatch);
    }
}
