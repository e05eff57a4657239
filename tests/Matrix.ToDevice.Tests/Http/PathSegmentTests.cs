namespace Matrix.ToDevice.Tests;

/// <summary>How the event type and the transaction ID are read from the request line (D2).</summary>
public class PathSegmentTests : HttpTests
{
    [TestCase("a%2Fb", "a/b")]
    [TestCase("a%2fb", "a/b")]
    [TestCase("a%252Fb", "a%2Fb")]
    [TestCase("a+b", "a+b")]
    [TestCase("a%2Bb", "a+b")]
    [TestCase("a%20b", "a b")]
    [TestCase("%41", "A")]
    [TestCase("%C3%A9", "é")]
    [TestCase("%F0%9F%94%91", "🔑")]
    [TestCase("m%3Fx%23y%25", "m?x#y%")]
    [TestCase("%22%5C%0A%7F", "\"\\\n\u007f")]
    [TestCase("a;b=c,d@e:f!$&'()*~", "a;b=c,d@e:f!$&'()*~")]
    [TestCase("%2F", "/")]
    [TestCase(".", ".")]
    [TestCase("..", "..")]
    [TestCase("%2e", ".")]
    [TestCase("%2E%2e", "..")]
    [TestCase(".%2e", "..")]
    [TestCase("...", "...")]
    [TestCase("%252e%252e", "%2e%2e")]
    [TestCase("..%2F..", "../..")]
    public async Task D2_the_event_type_is_one_decoded_segment(string segment, string eventType)
    {
        (await PutRawAsync($"{Endpoint}{segment}/t1")).ShouldBeAccepted();

        Assert.That((await Bob.SyncAsync()).Events.Select(message => message.Type), Is.EqualTo(new[] { eventType }));
    }

    [TestCase("a%2Fb", "a%2fb")]
    [TestCase("%41", "A")]
    [TestCase("a%2Bb", "a+b")]
    [TestCase("..", "%2e%2E")]
    [TestCase(".", "%2e")]
    [TestCase("%7E", "~")]
    public async Task R40_D2_two_spellings_of_a_transaction_ID_are_one_transaction(string one, string other)
    {
        await SendBothAsync($"m.test/{one}", $"m.test/{other}");

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [TestCase("a%2Fb", "a%252Fb")]
    [TestCase("a", "A")]
    [TestCase("a+b", "a%20b")]
    [TestCase("a", "a%20")]
    [TestCase(".", "..")]
    [TestCase("..", "-")]
    [TestCase(".", "-")]
    [TestCase("..", "%252e%252e")]
    [TestCase("%C3%A9", "e%CC%81", Description = "composed and decomposed")]
    [TestCase("%25", "%2525")]
    public async Task R49_D2_two_transaction_IDs_are_two_transactions(string one, string other)
    {
        await SendBothAsync($"m.test/{one}", $"m.test/{other}");

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(2));
    }

    [TestCase("a%2Fb", "a%252Fb")]
    [TestCase("m.test", "M.test")]
    [TestCase(".", "..")]
    [TestCase("..", "-")]
    public async Task R44_D2_two_event_types_are_two_transactions(string one, string other)
    {
        await SendBothAsync($"{one}/t1", $"{other}/t1");

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(2));
    }

    [TestCase("a/b%2Fc", "a%2Fb/c")]
    [TestCase("a./t1", "a/.t1")]
    [TestCase("./..", "../.")]
    public async Task D2_the_two_segments_do_not_run_together(string one, string other)
    {
        await SendBothAsync(one, other);

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(2));
    }

    [TestCase("%FF", Description = "not UTF-8")]
    [TestCase("%C3", Description = "half a character")]
    [TestCase("%C0%AF", Description = "overlong slash")]
    [TestCase("%ED%A0%80", Description = "surrogate")]
    [TestCase("%zz")]
    [TestCase("%4")]
    [TestCase("a%")]
    [TestCase("%+1")]
    public async Task D2_what_is_not_percent_encoded_UTF8_is_refused(string segment)
    {
        (await PutRawAsync($"{Endpoint}m.test/{segment}")).ShouldBe(400, "M_INVALID_PARAM");
        (await PutRawAsync($"{Endpoint}{segment}/t1")).ShouldBe(400, "M_INVALID_PARAM");

        Assert.That(await CountBobsMailAsync(), Is.Zero);
    }

    [Test]
    public async Task D2_a_long_transaction_ID_counts_to_its_last_character()
    {
        // As long as the server's limit for the request line, 8,192 bytes, allows.
        var longest = new string('x', 8192 - $"PUT {Endpoint}m.test/ HTTP/1.1\r\n".Length);

        await SendBothAsync($"m.test/{longest}", $"m.test/{longest}");
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));

        await SendBothAsync($"m.test/{longest[1..]}y", $"m.test/y{longest[1..]}");
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(3));
    }

    private async Task SendBothAsync(string one, string other)
    {
        (await PutRawAsync(Endpoint + one)).ShouldBeAccepted();
        (await PutRawAsync(Endpoint + other)).ShouldBeAccepted();
    }
}
