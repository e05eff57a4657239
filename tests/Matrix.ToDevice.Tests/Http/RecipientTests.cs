namespace Matrix.ToDevice.Tests;

public class RecipientTests : HttpTests
{
    [Test]
    public async Task R23_each_device_gets_one_message_and_all_have_the_event_type_of_the_path()
    {
        var tablet = Server.Login("@bob:hs1", "B2");
        var carol = Server.Login("@carol:hs1", "B1");

        (await Alice.PutAsync("m.one", "t1", """
            {"messages":{"@bob:hs1":{"B1":{"to":"b1","type":"m.other"},"B2":{"to":"b2"}},"@carol:hs1":{"B1":{"to":"c"}}}}
            """)).ShouldBeAccepted();

        foreach (var (client, to) in new[] { (Bob, """{"to":"b1","type":"m.other"}"""), (tablet, """{"to":"b2"}"""), (carol, """{"to":"c"}""") })
        {
            var message = (await client.SyncAsync()).Events.Single();
            Assert.That((message.Type, message.Content), Is.EqualTo(("m.one", to)));
        }
    }

    [Test]
    public async Task R24_D10_a_star_is_every_device_there_is_when_the_send_is_accepted()
    {
        var tablet = Server.Login("@bob:hs1", "B2");

        (await Alice.SendAsync("t1", "@bob:hs1", "*")).ShouldBeAccepted();

        var later = Server.Login("@bob:hs1", "B3");
        Assert.That(await CountAsync(Bob, tablet, later), Is.EqualTo(new[] { 1, 1, 0 }));
        // Nor does a retry reach it.
        (await Alice.SendAsync("t1", "@bob:hs1", "*")).ShouldBeAccepted();
        Assert.That(await CountAsync(Bob, tablet, later), Is.EqualTo(new[] { 1, 1, 0 }));
    }

    [Test]
    public async Task R25_D10_a_star_to_oneself_includes_the_sending_device()
    {
        var other = Server.Login("@alice:hs1", "A2");

        (await Alice.SendAsync("t1", "@alice:hs1", "*")).ShouldBeAccepted();

        Assert.That(await CountAsync(Alice, other), Is.EqualTo(new[] { 1, 1 }));
    }

    [Test]
    public async Task R25_a_device_may_send_to_itself()
    {
        (await Alice.SendAsync("t1", "@alice:hs1", "A1")).ShouldBeAccepted();

        Assert.That(await CountAsync(Alice), Is.EqualTo(new[] { 1 }));
    }

    [TestCase("""{"B1":{"named":1},"*":{"star":1},"B2":{"named":2}}""")]
    [TestCase("""{"*":{"star":1},"B1":{"named":1},"B2":{"named":2},"unknown":{}}""")]
    [TestCase("""{"B2":{"named":2},"B1":{"named":1},"\u002a":{"star":1}}""")]
    public async Task R26_D10_a_device_named_beside_a_star_gets_the_named_content_once(string devices)
    {
        var second = Server.Login("@bob:hs1", "B2");
        var third = Server.Login("@bob:hs1", "B3");

        (await Alice.PutAsync("m.test", "t1", $$$"""{"messages":{"@bob:hs1":{{{devices}}} } }""")).ShouldBeAccepted();

        Assert.That((await Bob.SyncAsync()).Contents, Is.EqualTo(new[] { """{"named":1}""" }));
        Assert.That((await second.SyncAsync()).Contents, Is.EqualTo(new[] { """{"named":2}""" }));
        Assert.That((await third.SyncAsync()).Contents, Is.EqualTo(new[] { """{"star":1}""" }));
    }

    [Test]
    public async Task R26_a_star_and_names_among_many_devices()
    {
        var devices = Enumerable.Range(0, 40).Select(i => Server.Login("@many:hs1", $"D{i}")).ToArray();
        var named = string.Join(",", Enumerable.Range(0, 20).Select(i => $$"""
            "D{{i}}":{"n":{{i}}},"unknown{{i}}":{}
            """));

        (await Alice.PutAsync("m.test", "t1", $$$"""{"messages":{"@many:hs1":{{{{named}}},"*":{"n":"star"} } } }""")).ShouldBeAccepted();

        for (var i = 0; i < devices.Length; i++)
        {
            var expected = i < 20 ? $$"""{"n":{{i}}}""" : """{"n":"star"}""";
            Assert.That((await devices[i].SyncAsync()).Contents, Is.EqualTo(new[] { expected }));
        }
    }

    [TestCase("@nobody:hs1", "D", Description = "unknown user")]
    [TestCase("@nobody:hs1", "*")]
    [TestCase("@bob:hs1", "B9", Description = "unknown device")]
    [TestCase("@bob:hs1", "b1", Description = "device IDs are case-sensitive")]
    [TestCase("@Bob:hs1", "B1", Description = "user IDs are too")]
    [TestCase("@bob:hs1", "")]
    [TestCase("@alice:hs1", "B1", Description = "R71: the device of another user")]
    [TestCase("@deviceless:hs1", "*")]
    [TestCase("@:hs1", "", Description = "R131")]
    [TestCase("@:hs1", "*")]
    public async Task R28_D10_who_does_not_exist_is_dropped_and_the_answer_does_not_tell(string userId, string deviceId)
    {
        Server.Login("@deviceless:hs1", "D");
        Server.Devices.Remove("@deviceless:hs1", "D");
        var known = await Alice.SendAsync("t0", "@bob:hs1", "B1");

        var unknown = await Alice.SendAsync("t1", userId, deviceId);

        unknown.ShouldBeAccepted();
        Assert.That(unknown.Headers.Keys, Is.EquivalentTo(known.Headers.Keys));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
        // Nor does a device that comes later get it.
        var later = Server.Login(userId, deviceId == "*" ? "later" : deviceId);
        Assert.That((await later.SyncAsync()).Events, Is.Empty);
    }

    [TestCase("bob:hs1")]
    [TestCase("@bob")]
    [TestCase("")]
    [TestCase("@")]
    [TestCase(":")]
    [TestCase("*")]
    [TestCase("@bob hs1")]
    [TestCase(" @bob:hs1")]
    [TestCase("#bob:hs1")]
    [TestCase("@bo\\u0000b:hs1")]
    [TestCase("@bob:")]
    public async Task D10_an_invalid_user_ID_is_skipped_and_the_rest_is_delivered(string userId)
    {
        (await Alice.PutAsync(
            "m.test", "t1", $$$"""{"messages":{"{{{userId}}}":{"B1":{"wrong":1},"*":{} },"@bob:hs1":{"B1":{} } } }""")).ShouldBeAccepted();

        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { "{}" }));
    }

    [Test]
    public async Task D10_a_user_ID_of_more_than_255_bytes_is_skipped()
    {
        var longest = $"@{new string('é', 125)}:hs1";
        var tooLong = $"@x{new string('é', 125)}:hs1";
        var first = Server.Login(longest, "D");
        var second = Server.Login(tooLong, "D");

        (await Alice.PutAsync("m.test", "t1", $$$"""{"messages":{"{{{longest}}}":{"D":{} },"{{{tooLong}}}":{"D":{} } } }""")).ShouldBeAccepted();

        Assert.That(await CountAsync(first, second), Is.EqualTo(new[] { 1, 0 }));
    }

    [Test]
    public async Task R131_an_empty_localpart_and_an_empty_device_ID_are_addresses_like_others()
    {
        var server = Server.Login("@:hs1", "");

        (await Alice.SendAsync("t1", "@:hs1", "")).ShouldBeAccepted();

        Assert.That(await CountAsync(server), Is.EqualTo(new[] { 1 }));
    }

    private static async Task<IEnumerable<int>> CountAsync(params TestClient[] clients)
    {
        var counts = new List<int>();
        foreach (var client in clients) counts.Add((await client.SyncAsync()).Events.Count);
        return counts;
    }
}
