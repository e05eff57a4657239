using System.Text;
using System.Text.Json;

namespace Matrix.ToDevice.Tests;

/// <summary>The code of docs/sync.md and docs/sliding-sync.md does what the pages say.</summary>
internal sealed class SyncExamplesTests
{
    private static readonly DeviceAddress s_bobsPhone = new("@bob:hs1", "B1");

    private TestHomeserver _server = null!;
    private TestClient _alice = null!, _bob = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _server = await TestHomeserver.StartAsync();
        (_alice, _bob) = (_server.Login("@alice:hs1", "A1"), _server.Login("@bob:hs1", "B1"));
    }

    [TearDown]
    public ValueTask StopAsync() => _server.DisposeAsync();

    [Test]
    public async Task An_object_holds_the_events_when_it_is_written()
    {
        await _alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""");

        var response = JsonSerializer.Serialize(await SyncExamples.SyncAsync(_server.ToDevice, s_bobsPhone, null, TimeSpan.Zero, default));

        Assert.That(response, Does.EndWith(""","to_device":{"events":[{"sender":"@alice:hs1","type":"m.test","content":{"n":1}}]}}"""));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task A_sync_that_waits_for_other_things_too_ends_with_whichever_comes_first(bool isMail)
    {
        var rooms = new Rooms();
        await _alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""");
        var since = (await _bob.SyncAsync()).NextBatch;
        var sync = SyncExamples.WaitForAllAsync(_server.ToDevice, rooms, s_bobsPhone, since, TimeSpan.FromMinutes(5), default);

        if (isMail) await _alice.SendAsync("t2", "@bob:hs1", "B1", """{"n":2}""");
        else rooms.News.SetResult();

        using var batch = await sync.WaitAsync(TimeLimit.OfOneWait);
        Assert.That(batch.Events, Has.Count.EqualTo(isMail ? 1 : 0));
    }

    [Test]
    public async Task Tokens_from_before_the_adoption_go_on_and_get_what_waits()
    {
        await _alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""");
        var before = SyncExamples.Split("s72594_4483_1934");
        var first = await _bob.SyncAsync(before.ToDevice);
        var (mine, toDevice) = SyncExamples.Split(SyncExamples.Join(before.Mine, first.NextBatch));

        Assert.That((before, mine), Is.EqualTo((("s72594_4483_1934", (string?)null), "s72594_4483_1934")));
        Assert.That(first.Events, Has.Count.EqualTo(1));
        Assert.That((await _bob.SyncAsync(toDevice)).Events, Is.Empty, "and the token says that it has come");
    }

    [TestCase("""{"to_device":{"enabled":true}}""", true)]
    [TestCase("""{"to_device":{"enabled":false}}""", false)]
    [TestCase("""{"typing":{"enabled":true}}""", false)]
    public async Task R121_a_sliding_sync_has_a_section_when_it_is_asked_for(string extensions, bool hasSection)
    {
        await _alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""");
        using var request = JsonDocument.Parse(extensions);
        var text = new MemoryStream();
        await using (var json = new Utf8JsonWriter(text))
        {
            json.WriteStartObject();
            await SyncExamples.WriteExtensionsAsync(_server.ToDevice, s_bobsPhone, request.RootElement, TimeSpan.Zero, json, default);
            json.WriteEndObject();
        }

        var rooms = new Rooms();
        rooms.News.SetResult();
        var written = JsonSerializer.Serialize(new
        {
            extensions = await SyncExamples.ExtensionsAsync(_server.ToDevice, rooms, s_bobsPhone, request.RootElement, TimeSpan.FromMinutes(5), default),
        });

        Assert.That(Encoding.UTF8.GetString(text.ToArray()), Is.EqualTo(written));
        Assert.That(written, Does.EndWith(hasSection
            ? ""","events":[{"sender":"@alice:hs1","type":"m.test","content":{"n":1}}]}}}"""
            : """{"extensions":{}}"""));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task R124_a_sliding_sync_that_waits_for_other_things_too_ends_with_whichever_comes_first(bool isMail)
    {
        var rooms = new Rooms();
        using var request = JsonDocument.Parse("""{"to_device":{"enabled":true}}""");
        var sync = SyncExamples.ExtensionsAsync(_server.ToDevice, rooms, s_bobsPhone, request.RootElement, TimeSpan.FromMinutes(5), default);

        if (isMail) await _alice.SendAsync("t2", "@bob:hs1", "B1", """{"n":2}""");
        else rooms.News.SetResult();

        Assert.That(await sync.WaitAsync(TimeLimit.OfOneWait), Has.Count.EqualTo(isMail ? 1 : 0));
    }

    private sealed class Rooms : SyncExamples.IMyRooms
    {
        public TaskCompletionSource News { get; } = new();

        public Task WaitAsync(string userId, TimeSpan timeout, CancellationToken cancellationToken) => News.Task.WaitAsync(timeout, TimeProvider.System, cancellationToken);
    }
}
