using System.Text;

namespace Matrix.ToDevice.Tests;

/// <summary>Bodies that are not JSON. Each has a good message for Bob in front, which must not be delivered (D7).</summary>
public class NotJsonTests : HttpTests
{
    private const string Good = """ "@bob:hs1":{"B1":{}} """;

    [TestCase("")]
    [TestCase(" ")]
    [TestCase("{")]
    [TestCase("nonsense")]
    [TestCase("{\"messages\":{" + Good + "}")]
    [TestCase("{\"messages\":{" + Good + "}}}")]
    [TestCase("{\"messages\":{" + Good + "}}{}")]
    [TestCase("{\"messages\":{" + Good + "}} x")]
    [TestCase("{\"messages\":{" + Good + "}}\0")]
    [TestCase("{\"messages\":{" + Good + ",}}")]
    [TestCase("{\"messages\":{" + Good + "},}")]
    [TestCase("{\"messages\":{" + Good + "}, other: 1}")]
    [TestCase("{'messages':{" + Good + "}}")]
    [TestCase("{\"messages\":{" + Good + ",\"@c:hs1\":{\"C\":{\"n\":NaN}}}}")]
    [TestCase("{\"messages\":{" + Good + ",\"@c:hs1\":{\"C\":{\"n\":Infinity}}}}")]
    [TestCase("{\"messages\":{" + Good + ",\"@c:hs1\":{\"C\":{\"n\":-}}}}")]
    [TestCase("{\"messages\":{" + Good + ",\"@c:hs1\":{\"C\":{\"n\":01}}}}")]
    [TestCase("{\"messages\":{" + Good + ",\"@c:hs1\":{\"C\":{\"n\":1.}}}}")]
    [TestCase("{\"messages\":{" + Good + ",\"@c:hs1\":{\"C\":{\"n\":+1}}}}")]
    [TestCase("{\"messages\":{" + Good + ",\"@c:hs1\":{\"C\":{\"n\":True}}}}")]
    [TestCase("{\"messages\":{" + Good + ",\"@c:hs1\":{\"C\":{\"n\":\"\\x\"}}}}")]
    [TestCase("{\"messages\":{" + Good + ",\"@c:hs1\":{\"C\":{\"n\":\"\\u12\"}}}}")]
    [TestCase("{\"messages\":{" + Good + ",\"@c:hs1\":{\"C\":{\"n\":\"a\nb\"}}}}")]
    [TestCase("{\"messages\":{" + Good + "}} // comment")]
    [TestCase("{/* comment */\"messages\":{" + Good + "}}")]
    [TestCase("{\"messages\":{" + Good + ",\"@c:hs1\":{\"C\":{\"a\":[1}}}}}")]
    public async Task R4_D7_what_is_not_JSON_is_M_NOT_JSON_and_delivers_nothing(string body)
    {
        await RefusedAsync(Encoding.UTF8.GetBytes(body));
    }

    [Test]
    public async Task D7_a_byte_order_mark_is_not_JSON()
    {
        await RefusedAsync([0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes(ToBob())]);
    }

    [Test]
    public async Task D7_another_encoding_is_not_JSON([Values("utf-16", "utf-16BE", "utf-32")] string encoding)
    {
        await RefusedAsync(Encoding.GetEncoding(encoding).GetBytes(ToBob()));
    }

    [TestCase(new byte[] { 0xFF })]
    [TestCase(new byte[] { 0xC3 })]
    [TestCase(new byte[] { 0xC0, 0xAF })]
    [TestCase(new byte[] { 0xED, 0xA0, 0x80 })]
    [TestCase(new byte[] { 0xF4, 0x90, 0x80, 0x80 })]
    public async Task D7_invalid_UTF8_is_not_JSON_wherever_it_stands(byte[] invalid)
    {
        foreach (var body in (string[])["{\"messages\":{\"@bob:hs1\":{\"B1\":{\"k\":\"?\"}}}}", "{\"messages\":{\"@bob:hs1\":{\"B1\":{\"?\":1}}}}",
            "{\"messages\":{" + Good + ",\"@?:hs1\":{}}}", "{\"messages\":{" + Good + ",\"@c:hs1\":{\"?\":{}}}}", "{\"messages\":{" + Good + "},\"?\":\"?\"}"])
        {
            await RefusedAsync([.. body.SelectMany(letter => letter == '?' ? invalid : [(byte)letter])]);
        }
    }

    [TestCase("[{\"messages\":{}}")]
    [TestCase("{\"messages\":[],")]
    [TestCase("{\"messages\":{\"@c:hs1\":7},\"x\":}")]
    [TestCase("{\"messages\":{\"@c:hs1\":{\"C\":null}}} trailing")]
    [TestCase("{\"messages\":{\"@c:hs1\":{},\"@c:hs1\":{}}")]
    [TestCase("{\"messages\":{\"@\\ud800:hs1\":{}}")]
    [TestCase("{\"messages\":{},\"messages\":{}")]
    [TestCase("{} {}")]
    public async Task R4_D7_not_JSON_anywhere_wins_over_a_wrong_shape_before_it(string body)
    {
        await RefusedAsync(Encoding.UTF8.GetBytes(body));
    }

    private async Task RefusedAsync(byte[] body)
    {
        var path = $"{Endpoint}m.test/{Guid.NewGuid()}";
        (await Alice.SendAsync(HttpMethod.Put, path, new ByteArrayContent(body))).ShouldBe(400, "M_NOT_JSON");
        var before = await Bob.SyncAsync();
        Assert.That(before.Events, Is.Empty);

        // Nothing was recorded either: the transaction is still free.
        (await Alice.SendAsync(HttpMethod.Put, path, new StringContent(ToBob()))).ShouldBeAccepted();
        var after = await Bob.SyncAsync(before.NextBatch);
        Assert.That(after.Events, Has.Count.EqualTo(1));
        await Bob.SyncAsync(after.NextBatch);
    }
}
