using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>The spans of a message, from the send to whoever gets it, and what is not in them.</summary>
public class TracingTests : HttpTests
{
    private readonly string _id = $"id-{Guid.NewGuid():N}";
    private CapturedSpans _spans = null!;
    private Activity? _ofTheDirectory;

    private string Content => $$"""{"org.matrix.msgid":"{{_id}}","secret":"hush"}""";

    [SetUp]
    public void Listen() => _spans = new CapturedSpans();

    [TearDown]
    public void Stop() => _spans.Dispose();

    private protected override void Configure(ISendToDeviceBuilder builder)
    {
        TestTransport.Add(builder);
        TestAppservices.Add(builder, TestAppservices.Irc);
        builder.UseDirectory((services, users, cancellationToken) =>
        {
            _ofTheDirectory = Activity.Current;
            return services.GetRequiredService<TestDevices>().FindAsync(users, cancellationToken);
        });
    }

    [Test]
    public async Task D17_a_hand_out_is_linked_to_the_send_of_its_message()
    {
        (await Alice.SendAsync("t1", "@bob:hs1", "B1", Content, "m.room.encrypted")).ShouldBeAccepted();
        await Bob.SyncAsync();

        var send = await _spans.FindAsync("to_device.send", _id);
        Assert.That(TagsOf(send), Is.SupersetOf(new Dictionary<string, object?>
        {
            ["matrix.to_device.event_type"] = "m.room.encrypted",
            ["matrix.to_device.messages"] = 1,
            ["matrix.to_device.edus"] = 0,
            ["matrix.to_device.outcome"] = "committed",
        }));
        var handOut = await _spans.FindAsync("to_device.hand_out", _id);
        Assert.That(handOut.Links.Select(link => link.Context), Is.EqualTo(new[] { send.Context }));
        Assert.That(TagsOf(handOut)["matrix.to_device.messages"], Is.EqualTo(1));
    }

    [Test]
    public async Task D17_a_transaction_to_another_server_is_linked_to_the_send_of_its_EDU()
    {
        (await Alice.SendAsync("t1", "@carol:hs2", "C1", Content)).ShouldBeAccepted();
        (await TestTransport.Of(Server).NextAsync()).Fails();
        (await TestTransport.Of(Server).NextAsync()).Received();

        var send = await _spans.FindAsync("to_device.send", _id);
        var failed = await _spans.FindAsync("to_device.federation.send", _id);
        Assert.That(failed.Links.Select(link => link.Context), Is.EqualTo(new[] { send.Context }));
        Assert.That(TagsOf(failed), Is.SupersetOf(new Dictionary<string, object?>
        {
            ["server.address"] = "hs2",
            ["matrix.to_device.edus"] = 1,
            ["matrix.to_device.outcome"] = "failed",
        }));
        Assert.That(failed.Status, Is.EqualTo(ActivityStatusCode.Error));
        Assert.That(TagsOf(send)["matrix.to_device.event_type"], Is.EqualTo("_OTHER"));
    }

    [Test]
    public async Task R104_a_transaction_to_an_appservice_is_linked_to_the_send_of_its_message()
    {
        Server.Devices.Add("@_irc_carol:hs1", "C1");
        (await Alice.SendAsync("t1", "@_irc_carol:hs1", "C1", Content)).ShouldBeAccepted();
        (await TestAppservices.Of(Server).NextAsync()).Received();

        var send = await _spans.FindAsync("to_device.send", _id);
        var push = await _spans.FindAsync("to_device.appservice.push", _id);
        Assert.That(push.Links.Select(link => link.Context), Is.EqualTo(new[] { send.Context }));
        Assert.That(TagsOf(push), Is.SupersetOf(new Dictionary<string, object?>
        {
            ["matrix.to_device.appservice"] = "irc",
            ["matrix.to_device.outcome"] = "received",
        }));
    }

    [Test]
    public async Task D15_an_EDU_of_another_server_is_linked_to_its_hand_out()
    {
        var edu = $$$"""{"sender":"@carol:hs2","type":"m.dummy","message_id":"m1","messages":{"@bob:hs1":{"B1":{{{Content}}} } } }""";
        var receiver = Server.Services.GetRequiredService<FederationReceiver>();
        await receiver.ReceiveAsync("hs2", System.Text.Encoding.UTF8.GetBytes(edu), default);
        await Bob.SyncAsync();

        var received = await _spans.FindAsync("to_device.federation.receive", _id);
        Assert.That(TagsOf(received), Is.SupersetOf(new Dictionary<string, object?>
        {
            ["matrix.to_device.origin"] = "hs2",
            ["matrix.to_device.event_type"] = "m.dummy",
            ["matrix.to_device.outcome"] = "delivered",
        }));
        var handOut = await _spans.FindAsync("to_device.hand_out", _id);
        Assert.That(handOut.Links.Select(link => link.Context), Is.EqualTo(new[] { received.Context }));
    }

    [Test]
    public async Task D17_no_span_holds_a_content_a_token_or_a_recipient()
    {
        (await Alice.PutAsync("m.test", "t1", $$$"""{"messages":{"@bob:hs1":{"B1":{{{Content}}} },"@carol:hs2":{"C1":{{{Content}}} } } }""")).ShouldBeAccepted();
        (await TestTransport.Of(Server).NextAsync()).Received();
        await Bob.SyncAsync();

        foreach (var name in (string[])["to_device.send", "to_device.federation.send", "to_device.hand_out"])
        {
            var span = await _spans.FindAsync(name, _id);
            var said = string.Join(' ', span.TagObjects.Select(tag => $"{tag.Key}={(tag.Value is string[] texts ? string.Join(',', texts) : tag.Value)}"));
            foreach (var secret in (string[])["hush", Alice.Token, Bob.Token, "B1", "C1", "@bob", "@carol", "t1"])
                Assert.That(said, Does.Not.Contain(secret), name);
        }
    }

    [Test]
    public async Task D24_message_IDs_are_bounded_in_length_and_in_number()
    {
        for (var n = 0; n < 150; n++) Server.Login("@many:hs1", $"D{n}");
        var devices = string.Join(',', Enumerable.Range(0, 150).Select(n => $$""" "D{{n}}":{"org.matrix.msgid":"{{_id}}-{{n}}"} """));
        var tooLong = $$""" {"org.matrix.msgid":"{{new string('x', 101)}}"} """;
        (await Alice.PutAsync("m.test", "t1", $$$"""{"messages":{"@bob:hs1":{"B1":{{{tooLong}}} },"@many:hs1":{ {{{devices}}} } } }""")).ShouldBeAccepted();

        var send = await _spans.FindAsync("to_device.send", $"{_id}-0");
        Assert.That(CapturedSpans.MessageIdsOf(send), Has.Count.EqualTo(100).And.All.StartsWith("id-"));
    }

    [Test]
    public async Task D24_a_listener_that_fails_fails_no_send_and_no_sync_and_ends_no_span_of_the_host([Values] bool atStart)
    {
        var failures = 0;
        using var faulty = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "Matrix.ToDevice",
            Sample = (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStarted = _ => Fail(atStart),
            ActivityStopped = _ => Fail(!atStart),
        };
        ActivitySource.AddActivityListener(faulty);

        (await Alice.SendAsync("t1", "@bob:hs1", "B1", Content)).ShouldBeAccepted();
        // One that has failed at its start is not what the host's own spans are parts of: nobody would end it.
        Assert.That(_ofTheDirectory?.Source.Name == "Matrix.ToDevice", Is.EqualTo(!atStart));
        using var outer = new Activity("host").Start();
        using (var batch = await Server.ToDevice.NextAsync(new DeviceAddress("@bob:hs1", "B1"), null, TimeSpan.Zero, default))
            Assert.That(batch.Events, Has.Count.EqualTo(1));

        Assert.That(Activity.Current, Is.SameAs(outer));
        Assert.That(failures, Is.Positive, "The test has failed something.");

        void Fail(bool now)
        {
            if (!now) return;
            Interlocked.Increment(ref failures);
            throw new InvalidOperationException("The listener has failed.");
        }
    }

    private static Dictionary<string, object?> TagsOf(Activity span) => span.TagObjects.ToDictionary(tag => tag.Key, tag => tag.Value);
}
