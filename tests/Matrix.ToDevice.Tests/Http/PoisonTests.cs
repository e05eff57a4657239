using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// Texts on which .NET's JSON readers throw, in each place where a client can put one: the send is answered as its rule says, the
/// recipient goes on syncing, and the next good message arrives (D24).
/// </summary>
public class PoisonTests : HttpTests
{
    // Messages are traced only where somebody reads the log.
    private readonly CapturedLog _log = new();

    private static readonly string[] s_halves = [@"\ud800", @"\uDBFF", @"\udc00", @"\uDfFf", @"\udc00\ud800", @"\ud800\u0041"];

    private protected override void Configure(ISendToDeviceBuilder builder) => _log.AddTo(builder, LogLevel.Trace);

    /// <summary>Readers decide by the length of the raw text whether to unescape it: every length counts.</summary>
    [Test]
    public async Task D24_half_a_surrogate_in_a_content_reaches_its_device_and_stops_nothing(
        [ValueSource(nameof(s_halves))] string half, [Values] bool traced)
    {
        var contents = Enumerable.Range(0, 61).SelectMany(length => (string[])
        [
            $$"""{"{{half}}{{new string('x', length)}}":1{{(traced ? ""","org.matrix.msgid":"1" """ : "")}}}""",
            $$"""{"{{new string('x', length)}}{{half}}":{"{{half}}":[]}{{(traced ? ""","org.matrix.msgid":"1" """ : "")}}}""",
            $$"""{"k":"{{new string('x', length)}}{{half}}","org.matrix.msgid":"{{half}}"}""",
        ]).ToList();
        foreach (var content in contents) (await Alice.PutAsync("m.test", $"{Guid.NewGuid():N}", ToBob(content))).ShouldBeAccepted();

        await ArrivesAsync([.. contents.Select(content => content.Replace(" }", "}", StringComparison.Ordinal))]);
    }

    [Test]
    public async Task D7_half_a_surrogate_beside_messages_is_somebody_elses_name(
        [ValueSource(nameof(s_halves))] string half)
    {
        for (var length = 0; length <= 60; length++)
        {
            foreach (var name in (string[])[half + new string('a', length), new string('m', length) + half, half + "messages", "messages" + half])
                (await PutBytesAsync(Encoding.UTF8.GetBytes($$"""{"{{name}}":{"{{half}}":"{{half}}"},"messages":{} }"""))).ShouldBeAccepted();
        }
    }

    [Test]
    public async Task D7_half_a_surrogate_in_an_ID_is_M_BAD_JSON([ValueSource(nameof(s_halves))] string half)
    {
        for (var length = 0; length <= 60; length++)
        {
            var id = new string('a', length) + half;
            (await PutBytesAsync(Encoding.UTF8.GetBytes($$$"""{"messages":{"@bob{{{id}}}:hs1":{"B1":{} } } }"""))).ShouldBe(400, "M_BAD_JSON");
            (await PutBytesAsync(Encoding.UTF8.GetBytes($$$"""{"messages":{"@bob:hs1":{"B1":{},"{{{id}}}":{} } } }"""))).ShouldBe(400, "M_BAD_JSON");
        }

        await ArrivesAsync();
    }

    [TestCase(@"\u006dessages")]
    [TestCase(@"\u006D\u0065\u0073\u0073\u0061\u0067\u0065\u0073")]
    [TestCase(@"message\u0073")]
    public async Task D7_a_name_may_be_escaped(string name)
    {
        (await PutBytesAsync(Encoding.UTF8.GetBytes($$$"""{"{{{name}}}":{"@\u0062ob:hs1":{"\u00421":{"n":1} } } }"""))).ShouldBeAccepted();
        (await PutBytesAsync(Encoding.UTF8.GetBytes($$"""{"messages":{},"{{name}}":{} }"""))).ShouldBe(400, "M_BAD_JSON");

        await ArrivesAsync("""{"n":1}""");
    }

    [TestCase(@"messages\u0000")]
    [TestCase(@"\u006dessage")]
    [TestCase(@"\u006dessagess")]
    [TestCase(@"\u004dessages")]
    [TestCase(@"messages\ud83d\ude00")]
    [TestCase("messages\\\\")]
    [TestCase(@"\/messages")]
    public async Task D7_another_name_is_not_messages(string name)
    {
        (await PutBytesAsync(Encoding.UTF8.GetBytes($$"""{"{{name}}":{} }"""))).ShouldBe(400, "M_BAD_JSON");
    }

    [TestCase(@"@b\ud83d\ude00:hs1", @"\ud83D\uDE00", "@b😀:hs1", "😀")]
    [TestCase(@"@\b\f\n\r\t\/\\\""\u00e9\u20ac:hs1", @"\u0000\b\f\n\r\t\/\\\""\u00e9\u20ac", "@\b\f\n\r\t/\\\"é€:hs1", "\0\b\f\n\r\t/\\\"é€")]
    public async Task D7_an_ID_means_what_its_escapes_say(string userId, string deviceId, string realUserId, string realDeviceId)
    {
        var device = Server.Login(realUserId, realDeviceId);

        (await PutBytesAsync(Encoding.UTF8.GetBytes($$$"""{"messages":{"{{{userId}}}":{"{{{deviceId}}}":{"n":1} } } }"""))).ShouldBeAccepted();

        Assert.That((await device.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":1}""" }));
    }

    /// <summary>Bob gets these, and then a good one.</summary>
    private async Task ArrivesAsync(params string[] contents)
    {
        const string Good = """{"good":1}""";
        (await Alice.PutAsync("m.test", "good", ToBob(Good))).ShouldBeAccepted();
        var arrived = new List<string>();
        string? since = null;
        while (true)
        {
            // Read by hand: .NET's reader would throw here, too.
            var response = await Bob.SendAsync(HttpMethod.Get, $"/_matrix/client/v3/sync?since={since}");
            var sync = new TestSync(response);
            since = sync.NextBatch;
            if (sync.Events.Count == 0) break;
            arrived.AddRange(sync.Contents);
        }

        Assert.That(arrived, Is.EqualTo(contents.Append(Good)));
    }
}
