using System.Buffers;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>A response has a bounded size, whatever waits for the device.</summary>
public class PageTests
{
    private const int LongTime = 600_000;
    private static readonly DeviceAddress s_bobsPhone = new("@bob:hs1", "B1");

    [Test]
    public async Task D19_D13_a_response_ends_at_1_MiB_and_the_next_one_comes_at_once()
    {
        await using var server = await TestHomeserver.StartAsync();
        var (alice, bob) = (server.Login("@alice:hs1", "A1"), server.Login("@bob:hs1", "B1"));
        var contents = Enumerable.Range(0, 40).Select(n => $$"""{"n":{{n}},"x":"{{new string('x', 60_000)}}"}""").ToList();
        for (var n = 0; n < contents.Count; n++) (await alice.SendAsync($"t{n}", "@bob:hs1", "B1", contents[n])).ShouldBeAccepted();

        var first = await bob.SyncAsync();
        var second = await bob.SyncAsync(first.NextBatch, LongTime);
        var third = await bob.SyncAsync(second.NextBatch, LongTime);

        Assert.That(new[] { first.Events.Count, second.Events.Count, third.Events.Count }, Is.EqualTo(new[] { 17, 17, 6 }));
        Assert.That(first.Contents.Concat(second.Contents).Concat(third.Contents), Is.EqualTo(contents));
        Assert.That((await bob.SyncAsync(third.NextBatch)).Events, Is.Empty);
    }

    [Test]
    public async Task D19_a_message_larger_than_a_response_may_be_comes_alone()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
            builder.Services.Configure<SendToDeviceOptions>(options => options.SyncMaxBytes = 1000));
        var (alice, bob) = (server.Login("@alice:hs1", "A1"), server.Login("@bob:hs1", "B1"));
        string[] contents = ["""{"n":1}""", $$"""{"n":"{{new string('x', 50_000)}}"}""", """{"n":3}"""];
        for (var n = 0; n < contents.Length; n++) await alice.SendAsync($"t{n}", "@bob:hs1", "B1", contents[n]);

        string? since = null;
        foreach (var content in contents)
        {
            using var batch = await server.ToDevice.NextAsync(s_bobsPhone, since, TimeSpan.Zero, default);
            Assert.That(batch.Events.Select(message => System.Text.Encoding.UTF8.GetString(message.Content.Span)), Is.EqualTo(new[] { content }));
            Assert.That(batch.Limited, Is.EqualTo(content != contents[^1]));
            since = batch.NextBatch;
        }
    }

    [Test]
    public async Task D19_a_host_that_only_waits_for_messages_reads_no_more_than_one()
    {
        await using var server = await TestHomeserver.StartAsync(HookedInbox.Add);
        var alice = server.Login("@alice:hs1", "A1");
        server.Login("@bob:hs1", "B1");
        var inbox = server.Services.GetRequiredService<HookedInbox>();

        var wait = server.ToDevice.WaitAsync(s_bobsPhone, null, TimeSpan.FromMilliseconds(LongTime), default).AsTask();
        await alice.SendAsync("t1", "@bob:hs1", "B1");

        Assert.That(await wait, Is.True);
        Assert.That(inbox.Asked, Has.All.EqualTo((1, 1)));
        Assert.That(await inbox.GivenBack.WaitAsync(TimeSpan.FromSeconds(30)), Is.True, "and gives its page back");
    }

    [Test]
    public async Task A_batch_that_was_disposed_cannot_be_used()
    {
        await using var server = await TestHomeserver.StartAsync();
        await server.Login("@alice:hs1", "A1").SendAsync("t1", "@alice:hs1", "A1");
        foreach (var device in (DeviceAddress[])[new("@alice:hs1", "A1"), s_bobsPhone])
        {
            var batch = await server.ToDevice.NextAsync(device, null, TimeSpan.Zero, default);
            batch.Dispose();
            batch.Dispose();

            using var json = new Utf8JsonWriter(new ArrayBufferWriter<byte>());
            Assert.That(() => batch.Events, Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => batch.WriteTo(json), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(json.BytesPending, Is.Zero);
            Assert.That((batch.NextBatch, batch.Limited), Is.EqualTo((batch.NextBatch, false)));
        }
    }
}
