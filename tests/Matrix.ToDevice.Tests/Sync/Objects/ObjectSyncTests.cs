using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>What a <c>/sync</c> that returns an object gets is its own, whatever becomes of the memory that it was read into.</summary>
[TestFixture(ObjectHosts.MinimalApi)]
[TestFixture(ObjectHosts.Mvc)]
[TestFixture(ObjectHosts.Newtonsoft)]
internal sealed class ObjectSyncTests(string shape)
{
    private TestHomeserver _server = null!;
    private TestClient _alice = null!, _bob = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _server = await ObjectHosts.StartAsync(shape, HookedInbox.Add);
        (_alice, _bob) = (_server.Login("@alice:hs1", "A1"), _server.Login("@bob:hs1", "B1"));
        _server.Services.GetRequiredService<HookedInbox>().Replace = ObjectSyncTests.Borrowed;
    }

    [TearDown]
    public ValueTask StopAsync() => _server.DisposeAsync();

    [Test]
    public async Task Contents_arrive_as_they_were_sent_when_their_memory_is_used_again()
    {
        string[] contents = ["""{"n":1}""", """{"é😀":"\ud83d\ude00","x":1e2,"y":[]}""", "{}"];
        for (var n = 0; n < contents.Length; n++) (await _alice.SendAsync($"t{n}", "@bob:hs1", "B1", contents[n])).ShouldBeAccepted();

        var sync = await _bob.SyncAsync();

        Assert.That(sync.Contents, Is.EqualTo(contents));
        Assert.That(sync.Events.Select(message => (message.Sender, message.Type, message.Keys)), Has.All.EqualTo(("@alice:hs1", "m.test", "sender,type,content")));
        Assert.That((await _bob.SyncAsync(sync.NextBatch)).Events, Is.Empty, "and the token says so");
    }

    [Test]
    public async Task D8_a_content_of_the_greatest_accepted_depth_arrives()
    {
        var depth = new SendToDeviceOptions().MaxContentDepth;
        var content = $$"""{"a":{{new string('[', depth - 1)}}{{new string(']', depth - 1)}}}""";
        (await _alice.SendAsync("t1", "@bob:hs1", "B1", content)).ShouldBeAccepted();

        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(new[] { content }));
    }

    [Test]
    public async Task D11_a_token_of_another_device_is_400()
    {
        var others = (await _alice.SyncAsync()).NextBatch;

        (await _bob.SendAsync(HttpMethod.Get, $"/_matrix/client/v3/sync?since={others}")).ShouldBe(400, "M_INVALID_PARAM");
    }

    /// <summary>The page in memory that somebody else writes into as soon as it is given back.</summary>
    private static InboxPage Borrowed(InboxPage page)
    {
        if (page.Messages.Count == 0) return page;
        var messages = page.Messages.Select(message => message with { Content = message.Content.ToArray() }).ToList();
        return new InboxPage(messages, page.HasMore, new Scribble(page, messages));
    }

    private sealed class Scribble(InboxPage page, List<InboxMessage> messages) : IDisposable
    {
        public void Dispose()
        {
            foreach (var message in messages) MemoryMarshal.AsMemory(message.Content).Span.Fill((byte)'x');
            page.Dispose();
        }
    }
}

/// <summary>What cannot be written any more is not written, and says so.</summary>
internal sealed class DisposedBatchTests
{
    [Test]
    public async Task A_content_cannot_be_looked_at_when_its_batch_is_gone()
    {
        await using var server = await TestHomeserver.StartAsync();
        await server.Login("@alice:hs1", "A1").SendAsync("t1", "@alice:hs1", "A1", """{"n":1}""");
        var batch = await server.ToDevice.NextAsync(new DeviceAddress("@alice:hs1", "A1"), null, TimeSpan.Zero, default);
        var content = batch.Events.Single().Content;
        using var parsed = JsonDocument.Parse(content);
        var number = parsed.RootElement.GetProperty("n");
        var events = batch.ToEvents();
        Assert.That((Encoding.UTF8.GetString(content.Span), number.GetInt32()), Is.EqualTo(("""{"n":1}""", 1)));

        batch.Dispose();

        Assert.That(() => content.Span.Length, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => number.GetInt32(), Throws.TypeOf<ObjectDisposedException>(), "what was parsed from it");
        Assert.That(() => content.Pin(), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(batch.ToEvents, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(events.Events.Single().ContentJson, Is.EqualTo("""{"n":1}"""), "the copy stays");
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Memory_is_not_given_back_while_somebody_copies_it(bool isWritten)
    {
        using var memory = new GivenBack();
        ToDeviceBatch? batch = null;
        Task? disposing = null;
        var page = new LookedAt([new(new(1, 1), "@alice:hs1", "m.test", """{"n":1}"""u8.ToArray())], () =>
        {
            // In the middle of it, on another thread. It has all the time that it needs when nothing keeps it.
            disposing ??= Task.Run(batch!.Dispose);
            Assert.That(memory.Is.Wait(TimeSpan.FromMilliseconds(300)), Is.False, "while it is copied");
        });
        batch = new ToDeviceBatch(new InboxPage(page, hasMore: false, memory), "t");

        if (isWritten)
        {
            using var json = new Utf8JsonWriter(Stream.Null);
            batch.WriteTo(json);
        }
        else
        {
            Assert.That(batch.ToEvents().Events.Single().ContentJson, Is.EqualTo("""{"n":1}"""));
        }

        await disposing!;
        Assert.That(memory.Is.IsSet, "then it is");
    }

    [Test]
    public async Task A_batch_that_is_returned_from_an_endpoint_says_what_to_return_instead()
    {
        await using var server = await TestHomeserver.StartAsync();
        using var batch = await server.ToDevice.NextAsync(new DeviceAddress("@alice:hs1", "A1"), null, TimeSpan.Zero, default);

        Assert.That(() => JsonSerializer.Serialize(new { batch }), Throws.TypeOf<NotSupportedException>().With.Message.Contains("batch.ToEvents()"));
    }

    // It would write each content as {"length":…}, and the device would acknowledge that.
    [Test]
    public async Task Newtonsoft_says_what_to_write_instead()
    {
        await using var server = await TestHomeserver.StartAsync();
        await server.Login("@alice:hs1", "A1").SendAsync("t1", "@alice:hs1", "A1", """{"n":1}""");
        using var batch = await server.ToDevice.NextAsync(new DeviceAddress("@alice:hs1", "A1"), null, TimeSpan.Zero, default);
        var events = batch.ToEvents();

        foreach (var response in (object[])[batch, events, events.Events, batch.ToExtension(), new { to_device = events }, new { events.Events }])
        {
            foreach (var write in (Action[])[() => Newtonsoft.Json.JsonConvert.SerializeObject(response), () => Newtonsoft.Json.Linq.JToken.FromObject(response)])
            {
                Assert.That(
                    () => write(),
                    Throws.InnerException.TypeOf<NotSupportedException>().And.InnerException.Message.Contains("new JRaw(e.ContentJson)"));
            }
        }
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task Events_are_written_alike_whatever_the_serializers_options(bool areIndented)
    {
        await using var server = await TestHomeserver.StartAsync();
        await server.Login("@alice:hs1", "A1").SendAsync("t1", "@alice:hs1", "A1", """{"Ab":{"c":null}}""");
        using var batch = await server.ToDevice.NextAsync(new DeviceAddress("@alice:hs1", "A1"), null, TimeSpan.Zero, default);
        var options = new JsonSerializerOptions { WriteIndented = areIndented, PropertyNamingPolicy = JsonNamingPolicy.KebabCaseUpper, MaxDepth = 3 };

        var all = JsonSerializer.Serialize(batch.ToEvents(), options);
        var one = JsonSerializer.Serialize(batch.ToEvents().Events, options);

        const string Event = """{"sender":"@alice:hs1","type":"m.test","content":{"Ab":{"c":null}}}""";
        Assert.That(WithoutSpaces(all), Is.EqualTo($$"""{"events":[{{Event}}]}"""));
        Assert.That(WithoutSpaces(one), Is.EqualTo($"[{Event}]"));

        static string WithoutSpaces(string json) => string.Concat(json.Where(c => !char.IsWhiteSpace(c)));
    }

    private sealed class LookedAt(IReadOnlyList<InboxMessage> messages, Action look) : IReadOnlyList<InboxMessage>
    {
        public int Count => messages.Count;

        public InboxMessage this[int index]
        {
            get
            {
                look();
                return messages[index];
            }
        }

        public IEnumerator<InboxMessage> GetEnumerator()
        {
            for (var i = 0; i < Count; i++) yield return this[i];
        }

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }

    private sealed class GivenBack : IDisposable
    {
        public ManualResetEventSlim Is { get; } = new();

        public void Dispose() => Is.Set();
    }
}
