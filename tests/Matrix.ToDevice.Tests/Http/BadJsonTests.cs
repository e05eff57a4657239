namespace Matrix.ToDevice.Tests;

/// <summary>Bodies that are JSON of the wrong shape. Most have a good message for Bob too, which must not be delivered (D7).</summary>
public class BadJsonTests : HttpTests
{
    private const string Good = """ "@bob:hs1":{"B1":{}} """;

    [TestCase("{}", Description = "messages is missing")]
    [TestCase("{\"Messages\":{" + Good + "}}")]
    [TestCase("[]")]
    [TestCase("[{\"messages\":{" + Good + "}}]")]
    [TestCase("\"messages\"")]
    [TestCase("1")]
    [TestCase("true")]
    [TestCase("null")]
    public async Task R21_D7_the_body_is_an_object_with_messages(string body) => await RefusedAsync(body);

    [TestCase("null")]
    [TestCase("[]")]
    [TestCase("\"\"")]
    [TestCase("0")]
    [TestCase("false")]
    [TestCase("[{" + Good + "}]")]
    public async Task R21_D7_messages_is_an_object(string messages) => await RefusedAsync($$"""{"messages":{{messages}}}""");

    [TestCase("null")]
    [TestCase("[]")]
    [TestCase("\"B1\"")]
    [TestCase("1")]
    [TestCase("true")]
    [TestCase("[{\"B1\":{}}]")]
    public async Task R21_D7_a_users_value_is_an_object(string value)
    {
        await RefusedAsync($$$"""{"messages":{{{{Good}}},"@c:hs1":{{{value}}} } }""");
        await RefusedAsync($$$"""{"messages":{"@c:hs1":{{{value}}},{{{Good}}} } }""");
        // Of whoever it is.
        await RefusedAsync($$$"""{"messages":{{{{Good}}},"nobody":{{{value}}} } }""");
    }

    [TestCase("null")]
    [TestCase("[]")]
    [TestCase("\"x\"")]
    [TestCase("-1.5")]
    [TestCase("false")]
    [TestCase("[{}]")]
    public async Task R21_D7_a_content_is_an_object(string content)
    {
        await RefusedAsync($$$"""{"messages":{{{{Good}}},"@c:hs1":{"C":{{{content}}} } } }""");
        await RefusedAsync($$$"""{"messages":{"@bob:hs1":{"B1":{},"*":{{{content}}} } } }""");
        await RefusedAsync($$$"""{"messages":{{{{Good}}},"@c:hs1":{"C":{},"D":{{{content}}},"E":{} } } }""");
    }

    [TestCase("""{"messages":{},"messages":{"@bob:hs1":{"B1":{}}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}}},"messa\u0067es":{}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@bob:hs1":{"B1":{}}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@c:hs1":{},"\u0040bob:hs1":{}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{},"B1":{}}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{},"B2":{},"B3":{},"\u00421":{}}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"*":{},"\u002a":{}}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"bad":{},"bad":{}}}""")]
    public async Task D7_a_key_that_is_there_twice_is_refused(string body) => await RefusedAsync(body);

    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@\ud800:hs1":{}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@c:hs1":{"\udc00":{}}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@c:hs1":{"\ud83d":{}}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@c:hs1":{"\udc00\ud800":{}}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}, "x\ud800x":{}}}}""")]
    public async Task D7_half_of_a_surrogate_pair_in_an_ID_is_refused(string body) => await RefusedAsync(body);

    [Test]
    public async Task D7_a_whole_surrogate_pair_in_an_ID_is_text()
    {
        var key = Server.Login("@key:hs1", "🔑");

        (await Alice.PutAsync("m.test", "t1", """{"messages":{"@key:hs1":{"\ud83d\udd11":{}}}}""")).ShouldBeAccepted();

        Assert.That((await key.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task R21_whatever_else_the_body_has_is_ignored()
    {
        const string Body = """
            { "messages2": {"messages": null}, "x": [[{"a": [1]}], "}"], "messages": {"@bob:hs1": {"B1": {}}},
              "": 1, "y": 1, "y": 2, "\ud800": "\udc00", "big": 1e999999 }
            """;

        (await Alice.PutAsync("m.test", "t1", Body)).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [TestCase("""{"messages":{}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{}}}""")]
    [TestCase("""{"mess\u0061ges":{}}""")]
    [TestCase(" \t\r\n{ \"messages\" : { } } \n")]
    public async Task R21_a_send_to_nobody_is_accepted(string body)
    {
        (await Alice.PutAsync("m.test", "t1", body)).ShouldBeAccepted();
    }

    private async Task RefusedAsync(string body)
    {
        var txnId = $"{Guid.NewGuid()}";
        (await Alice.PutAsync("m.test", txnId, body)).ShouldBe(400, "M_BAD_JSON");
        var before = await Bob.SyncAsync();
        Assert.That(before.Events, Is.Empty);

        // Nothing was recorded either: the transaction is still free.
        (await Alice.PutAsync("m.test", txnId, ToBob())).ShouldBeAccepted();
        var after = await Bob.SyncAsync(before.NextBatch);
        Assert.That(after.Events, Has.Count.EqualTo(1));
        await Bob.SyncAsync(after.NextBatch);
    }
}
