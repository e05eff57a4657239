using System.Text;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>What a send puts into inboxes and into the queues of appservices.</summary>
public class AppserviceSendTests : ReceiverTests
{
    private TestAppservices Pushes => TestAppservices.Of(Server);

    private IFederationOutbox Outbox => Server.Services.GetRequiredService<IFederationOutbox>();

    private protected override void Configure(ISendToDeviceBuilder builder)
    {
        TestAppservices.Add(
            builder, TestAppservices.Irc,
            new Appservice("logger", "@logger:hs1", [new AppserviceNamespace("@seen_.*", isExclusive: false)]),
            new Appservice("old", "@old_bot:hs1", [new AppserviceNamespace("@_old_.*", isExclusive: true)]) { ReceivesToDevice = false });
    }

    [Test]
    public async Task R104_a_message_for_a_user_of_an_exclusive_namespace_is_pushed_and_in_no_inbox()
    {
        var ghost = Server.Login("@_irc_bob:hs1", "G1");

        (await Alice.SendAsync("t1", "@_irc_bob:hs1", "G1", """{"n":1}""", "m.room.encrypted")).ShouldBeAccepted();

        var push = await Pushes.NextAsync();
        const string Event =
            """[{"sender":"@alice:hs1","type":"m.room.encrypted","content":{"n":1},"to_user_id":"@_irc_bob:hs1","to_device_id":"G1"}]""";
        Assert.That(push.Body, Is.EqualTo($$"""{"events":[],"to_device":{{Event}},"de.sorunome.msc2409.to_device":{{Event}}}"""));
        Assert.That(TestAppservices.Push.BodyOf(push.Sent, AppserviceToDeviceKeys.Stable), Is.EqualTo($$"""{"events":[],"to_device":{{Event}}}"""));
        Assert.That(
            TestAppservices.Push.BodyOf(push.Sent, AppserviceToDeviceKeys.Unstable),
            Is.EqualTo($$"""{"events":[],"de.sorunome.msc2409.to_device":{{Event}}}"""));
        Assert.That((await ghost.SyncAsync()).Events, Is.Empty);
        push.Received();
    }

    [Test]
    public async Task R104_a_message_for_the_appservices_own_user_is_pushed()
    {
        Server.Devices.Add("@irc_bot:hs1", "BOT");

        await Alice.SendAsync("t1", "@irc_bot:hs1", "BOT", """{"n":1}""");

        Assert.That((await Pushes.NextAsync()).Numbers, Is.EqualTo(new[] { 1 }));
    }

    [Test]
    public async Task R105_a_message_for_a_user_of_an_inclusive_namespace_is_pushed_to_all_and_in_the_inbox()
    {
        var seen = Server.Login("@seen_bob:hs1", "S1");

        await Alice.SendAsync("t1", "@seen_bob:hs1", "S1", """{"n":1}""");

        foreach (var id in new[] { "irc", "logger" })
        {
            var push = await Pushes.NextAsync(id);
            Assert.That(push.Numbers, Is.EqualTo(new[] { 1 }));
            push.Received();
        }

        Assert.That((await seen.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":1}""" }));
    }

    [Test]
    public async Task R62_a_user_of_an_appservice_that_gets_no_pushes_has_an_inbox()
    {
        var old = Server.Login("@_old_bob:hs1", "O1");

        await Alice.SendAsync("t1", "@_old_bob:hs1", "O1", """{"n":1}""");

        Assert.That((await old.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":1}""" }));
        Assert.That(await Outbox.ListDestinationsAsync(null, 10, default), Is.Empty);
    }

    [Test]
    public async Task D9_a_content_is_pushed_as_it_was_sent_also_one_without_a_canonical_form()
    {
        const string Content = """{"b":1.50,"a":[1e3,-0,9007199254740993],"a":"é\u00e9<"}""";
        Server.Devices.Add("@_irc_bob:hs1", "G1");

        (await Alice.SendAsync("t1", "@_irc_bob:hs1", "G1", Content)).ShouldBeAccepted();

        var push = await Pushes.NextAsync();
        Assert.That(push.Body, Does.Contain($"\"content\":{Content},"));
        push.Received();
    }

    /// <summary>What one appservice's reader of JSON refuses would come again for ever, with all that is behind it.</summary>
    [TestCase("""{"n":1e400}""")]
    [TestCase("""{"a":[{"n":-1e999}]}""")]
    [TestCase("""{"s":"\ud800"}""")]
    [TestCase("""{"s":"\udc00\ud800"}""")]
    [TestCase("""{"a":{"\ud800":1}}""")]
    public async Task D24_a_content_that_not_every_appservice_can_read_stops_no_queue(string content)
    {
        foreach (var (userId, deviceId) in new[] { ("@_irc_bob:hs1", "G1"), ("@seen_bob:hs1", "S1") }) Server.Devices.Add(userId, deviceId);

        foreach (var (userId, deviceId) in new[] { ("@_irc_bob:hs1", "G1"), ("@seen_bob:hs1", "S1") })
        {
            (await Alice.PutAsync("m.test", "t1", $$$"""{"messages":{"@bob:hs1":{"B1":{"n":1}},"{{{userId}}}":{"{{{deviceId}}}":{{{content}}} } } }"""))
                .ShouldBe(400, "M_BAD_JSON");
        }

        Assert.That(await CountBobsMailAsync(), Is.Zero);
        Assert.That(await Outbox.ListDestinationsAsync(null, 10, default), Is.Empty);
        (await Alice.SendAsync("t2", "@bob:hs1", "B1", content)).ShouldBeAccepted();
    }

    /// <summary>From another server, just that message is left out; a device's own inbox has it all the same (D15).</summary>
    [Test]
    public async Task D15_D24_of_an_EDU_only_what_not_every_appservice_can_read_is_left_out()
    {
        Server.Devices.Add("@_irc_bob:hs1", "G1");
        Server.Devices.Add("@_irc_bob:hs1", "G2");
        var seen = Server.Login("@seen_bob:hs1", "S1");

        Assert.That(await ReceiveAsync("""
            {"sender":"@carol:hs2","type":"m.test","message_id":"m1","messages":{
                "@_irc_bob:hs1":{"G1":{"n":1e400},"G2":{"n":2}},"@seen_bob:hs1":{"S1":{"s":"\ud800"}},"@bob:hs1":{"B1":{"n":1e400}}}}
            """), Is.EqualTo(ReceivedEdu.Delivered));

        var push = await Pushes.NextAsync();
        Assert.That(push.Events.Select(message => (string?)message["to_device_id"]), Is.EqualTo(new[] { "G2" }));
        push.Received();
        Assert.That((await seen.SyncAsync()).Contents, Is.EqualTo(new[] { """{"s":"\ud800"}""" }));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task D10_all_devices_are_those_that_exist_and_an_unknown_one_is_dropped()
    {
        foreach (var deviceId in new[] { "G1", "G2", "G3" }) Server.Devices.Add("@_irc_bob:hs1", deviceId);

        await Alice.PutAsync(
            "m.test", "t1", """{"messages":{"@_irc_bob:hs1":{"*":{"n":1},"G2":{"n":2},"GONE":{"n":3}},"@_irc_nobody:hs1":{"*":{"n":4}}}}""");

        var push = await Pushes.NextAsync();
        Assert.That(
            push.Events.Select(message => ((string?)message["to_device_id"], (int?)message["content"]!["n"])),
            Is.EquivalentTo(new[] { ("G1", 1), ("G2", 2), ("G3", 1) }));
        push.Received();
    }

    [Test]
    public async Task D4_one_send_is_one_commit_for_inboxes_queues_and_the_record()
    {
        Server.Devices.Add("@_irc_bob:hs1", "G1");
        const string Body = """{"messages":{"@bob:hs1":{"B1":{"n":1}},"@_irc_bob:hs1":{"G1":{"n":2}}}}""";

        (await Alice.PutAsync("m.test", "t1", Body)).ShouldBeAccepted();
        (await Alice.PutAsync("m.test", "t1", Body)).ShouldBeAccepted();

        var push = await Pushes.NextAsync();
        Assert.That(push.Numbers, Is.EqualTo(new[] { 2 }));
        push.Received();
        while ((await Outbox.ListDestinationsAsync(null, 10, default)).Count > 0) await TimeLimit.OneMoreTurnAsync();
        Assert.That(Pushes.HasNext(), Is.False, "the second one was a retry");
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task D8_a_send_that_is_refused_leaves_nothing_in_a_queue()
    {
        Server.Devices.Add("@_irc_bob:hs1", "G1");
        var large = new string('x', 70_000);

        (await Alice.PutAsync("m.test", "t1", $$$"""{"messages":{"@_irc_bob:hs1":{"G1":{"n":1},"G2":{"x":"{{{large}}}"} } } }"""))
            .ShouldBe(413, "M_TOO_LARGE");

        Assert.That(await Outbox.ListDestinationsAsync(null, 10, default), Is.Empty);
    }

    [Test]
    public async Task D16_the_messages_of_one_send_are_entries_of_64_KiB_and_the_transaction_has_all_that_fit()
    {
        for (var device = 0; device < 30; device++) Server.Devices.Add("@_irc_bob:hs1", $"G{device:00}");
        var text = new string('x', 10_000);

        await Alice.SendAsync("t1", "@_irc_bob:hs1", "*", $$"""{"n":1,"text":"{{text}}"}""");

        var push = await Pushes.NextAsync();
        Assert.That(push.Events, Has.Count.EqualTo(30));
        Assert.That(push.Sent.Entries, Has.Count.EqualTo(5));
        Assert.That(push.Sent.Entries.Select(entry => entry.Content.Length), Is.All.InRange(10_000, 65_536 + 2));
        push.Received();
    }

    [Test]
    public async Task D16_a_new_transaction_has_a_bound_in_bytes()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => TestAppservices.Add(builder, options => options.MaxTransactionBytes = 25_000, TestAppservices.Irc));
        server.Devices.Add("@_irc_bob:hs1", "G1");
        var (alice, text) = (server.Login("@alice:hs1", "A1"), new string('x', 10_000));
        await alice.SendAsync("t0", "@_irc_bob:hs1", "G1", """{"n":0}""");
        var first = await TestAppservices.Of(server).NextAsync();
        for (var n = 1; n <= 5; n++) await alice.SendAsync($"t{n}", "@_irc_bob:hs1", "G1", $$"""{"n":{{n}},"text":"{{text}}"}""");
        first.Received();

        foreach (var expected in new int[][] { [1, 2], [3, 4], [5] })
        {
            var push = await TestAppservices.Of(server).NextAsync();
            Assert.That(push.Numbers, Is.EqualTo(expected));
            push.Received();
        }
    }

    [Test]
    public async Task D21_what_a_send_puts_into_queues_is_bounded_as_what_it_puts_into_inboxes()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.Configure<SendToDeviceOptions>(options => options.MaxDevices = 3);
            TestAppservices.Add(builder, TestAppservices.Irc);
        });
        for (var device = 0; device < 4; device++) server.Devices.Add("@_irc_bob:hs1", $"G{device}");

        (await server.Login("@alice:hs1", "A1").SendAsync("t1", "@_irc_bob:hs1", "*")).ShouldBe(400, "M_BAD_JSON");

        Assert.That(await server.Services.GetRequiredService<IFederationOutbox>().ListDestinationsAsync(null, 10, default), Is.Empty);
    }

    [Test]
    public async Task D21_what_a_send_puts_into_queues_is_bounded_in_bytes_too()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.Configure<SendToDeviceOptions>(options => options.MaxBodyBytes = 10_000);
            TestAppservices.Add(builder, TestAppservices.Irc);
        });
        for (var device = 0; device < 4; device++) server.Devices.Add("@_irc_bob:hs1", $"G{device}");

        (await server.Login("@alice:hs1", "A1").SendAsync("t1", "@_irc_bob:hs1", "*", $$"""{"text":"{{new string('x', 3000)}}"}"""))
            .ShouldBe(413, "M_TOO_LARGE");
    }

    [Test]
    public async Task D21_what_a_send_puts_into_queues_is_bounded_with_the_type_that_each_message_has()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.Configure<SendToDeviceOptions>(options => options.MaxBodyBytes = 20_000);
            TestAppservices.Add(builder, TestAppservices.Irc);
        });
        for (var device = 0; device < 40; device++) server.Devices.Add("@_irc_bob:hs1", $"G{device}");
        // In JSON, each of these letters takes six bytes, and in memory one.
        var control = string.Concat(Enumerable.Repeat(@"\u0001", 200));
        var edu = """{"sender":"@carol:hs2","type":"TYPE","message_id":"m1","messages":{"@_irc_bob:hs1":{"*":{"n":1}}}}""".Replace("TYPE", control, StringComparison.Ordinal);

        (await server.Login("@alice:hs1", "A1").SendAsync("t1", "@_irc_bob:hs1", "*", """{"n":1}""", new string('x', 1000))).ShouldBe(413, "M_TOO_LARGE");
        Assert.That(
            await server.Services.GetRequiredService<FederationReceiver>().ReceiveAsync("hs2", Encoding.UTF8.GetBytes(edu), default),
            Is.EqualTo(ReceivedEdu.Malformed));

        Assert.That(await server.Services.GetRequiredService<IFederationOutbox>().ListDestinationsAsync(null, 10, default), Is.Empty);
    }

    [Test]
    public async Task D15_a_message_from_another_server_is_pushed_once_however_often_its_EDU_comes()
    {
        Server.Devices.Add("@_irc_bob:hs1", "G1");
        const string Content =
            """{"sender":"@carol:hs2","type":"m.test","message_id":"m1","messages":{"@_irc_bob:hs1":{"G1":{"n":1}},"@_irc_x:hs2":{"G1":{"n":2}}}}""";

        Assert.That(await ReceiveAsync(Content), Is.EqualTo(ReceivedEdu.Delivered));
        Assert.That(await ReceiveAsync(Content), Is.EqualTo(ReceivedEdu.Duplicate));

        var push = await Pushes.NextAsync();
        Assert.That(push.Numbers, Is.EqualTo(new[] { 1 }));
        push.Received();
        while ((await Outbox.ListDestinationsAsync(null, 10, default)).Count > 0) await TimeLimit.OneMoreTurnAsync();
        Assert.That(Pushes.HasNext(), Is.False);
    }

    [Test]
    public async Task D16_no_user_ID_names_the_queue_of_an_appservice()
    {
        Server.Devices.Add("@_irc_bob:hs1", "G1");
        await Alice.SendAsync("t1", "@_irc_bob:hs1", "G1");
        await Pushes.NextAsync();
        var destination = (await Outbox.ListDestinationsAsync(null, 10, default)).Single();

        foreach (var userId in new[] { $"@x:{destination}", $"@x:{destination}:8448" })
            (await Alice.SendAsync($"{userId.Length}", userId, "D1")).ShouldBeAccepted();

        Assert.That(await Outbox.ListDestinationsAsync(null, 10, default), Is.EqualTo(new[] { destination }));
        Assert.That(await Outbox.ReadAsync(destination, 10), Has.Count.EqualTo(1));
    }

    [Test]
    public async Task D17_a_message_with_an_ID_that_is_pushed_can_be_followed()
    {
        var log = new CapturedLog();
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            log.AddTo(builder, LogLevel.Information);
            TestAppservices.Add(builder, TestAppservices.Irc);
        });
        server.Devices.Add("@_irc_bob:hs1", "G1");

        await server.Login("@alice:hs1", "A1").SendAsync("t1", "@_irc_bob:hs1", "G1", """{"org.matrix.msgid":"followed"}""");

        Assert.That(log.Entries.Single(entry => entry.Id.Id == 10).ToString(), Does.Contain("followed"));
    }
}
