using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>The <c>to_device</c> extension of a sliding sync: what a host's own endpoint asks of the module, and gets.</summary>
internal sealed class SlidingSyncTests
{
    private static readonly DeviceAddress s_bobsPhone = new("@bob:hs1", "B1");
    private static readonly TimeSpan s_longTime = TimeSpan.FromMinutes(10);
    private static readonly JsonSerializerOptions s_odd = new() { PropertyNamingPolicy = JsonNamingPolicy.KebabCaseUpper, MaxDepth = 3 };

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
    public async Task R121_a_section_has_next_batch_and_events_and_nothing_else()
    {
        await SendAsync(1);

        var section = (await AskAsync(null)).Text;

        Assert.That(section, Does.Match("""^\{"next_batch":"[A-Za-z0-9_-]{33}","events":\[\{"sender":"@alice:hs1","type":"m.test","content":\{"n":1\}\}\]\}$"""));
    }

    [Test]
    public async Task R121_without_messages_the_section_may_be_left_out_and_is_whole_if_it_is_not()
    {
        using var batch = await _server.ToDevice.NextAsync(s_bobsPhone, new ToDeviceExtensionRequest(null), TimeSpan.Zero, default);

        Assert.That(batch.IsEmpty);
        Assert.That(Write(batch), Is.EqualTo($$"""{"next_batch":"{{batch.NextBatch}}","events":[]}"""));
        Assert.That(
            () => Newtonsoft.Json.JsonConvert.SerializeObject(batch.ToExtension()),
            Throws.InnerException.TypeOf<NotSupportedException>(), "whose names would be others");
    }

    [Test]
    public async Task R121_an_object_is_written_as_the_section_is_whatever_the_serializers_options()
    {
        await SendAsync(1, 2);
        using var batch = await _server.ToDevice.NextAsync(s_bobsPhone, new ToDeviceExtensionRequest(null), TimeSpan.Zero, default);
        var section = batch.ToExtension();
        var text = Write(batch);

        batch.Dispose();

        Assert.That(JsonSerializer.Serialize(section, s_odd), Is.EqualTo(text));
        Assert.That((section.NextBatch, section.Events.Count), Is.EqualTo((batch.NextBatch, 2)));
        Assert.That(() => Write(batch), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(batch.ToExtension, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => JsonSerializer.Deserialize<ToDeviceExtensionResponse>(text), Throws.TypeOf<NotSupportedException>());
    }

    [TestCase(1)]
    [TestCase(3)]
    [TestCase(100)]
    public async Task R120_R124_a_response_holds_no_more_than_the_limit_and_the_next_one_comes_at_once(int limit)
    {
        await SendAsync([.. Enumerable.Range(0, limit + 1)]);

        var first = await AskAsync(null, limit, s_longTime);
        var second = await AskAsync(first.NextBatch, limit, s_longTime);

        Assert.That(first.Contents, Is.EqualTo(Contents([.. Enumerable.Range(0, limit)])));
        Assert.That(second.Contents, Is.EqualTo(Contents(limit)));
    }

    [Test]
    public async Task R120_a_server_gives_100_to_whom_asks_for_more()
    {
        await SendAsync([.. Enumerable.Range(0, 101)]);

        Assert.That((await AskAsync(null, int.MaxValue)).Contents, Is.EqualTo(Contents([.. Enumerable.Range(0, 100)])));
    }

    [Test]
    public async Task R120_D19_a_host_sets_bounds_of_its_own()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            HookedInbox.Add(builder);
            builder.Services.Configure<SendToDeviceOptions>(options => (options.SyncLimit, options.SyncMaxBytes) = (5, 1000));
        });
        server.Login("@bob:hs1", "B1");
        foreach (var limit in new[] { 3, 50 })
        {
            using var batch = await server.ToDevice.NextAsync(s_bobsPhone, new ToDeviceExtensionRequest(null, limit), TimeSpan.Zero, default);
        }

        Assert.That(server.Services.GetRequiredService<HookedInbox>().Asked, Is.EqualTo(new[] { (3, 1000), (5, 1000) }));
    }

    [Test]
    public async Task R123_a_first_request_gets_all_that_waits_and_deletes_nothing()
    {
        await SendAsync(1, 2);

        Assert.That((await AskAsync(null)).Contents, Is.EqualTo(Contents(1, 2)));
        Assert.That((await AskAsync(null)).Contents, Is.EqualTo(Contents(1, 2)));
    }

    [Test]
    public async Task R123_a_since_acknowledges_up_to_and_including_its_position_for_good()
    {
        await SendAsync(1, 2);
        var first = await AskAsync(null);
        await SendAsync(3);

        var second = await AskAsync(first.NextBatch);

        Assert.That(second.Contents, Is.EqualTo(Contents(3)));
        Assert.That((await AskAsync(null)).Contents, Is.EqualTo(Contents(3)), "1 and 2 are gone");
    }

    [Test]
    public async Task R125_a_retry_with_the_same_since_gets_the_same_messages_and_more_behind_them()
    {
        await SendAsync(1);
        var first = await AskAsync(null);
        await SendAsync(2);
        await AskAsync(first.NextBatch);
        await SendAsync(3);

        Assert.That((await AskAsync(first.NextBatch)).Contents, Is.EqualTo(Contents(2, 3)));
    }

    [Test]
    public async Task R122_a_token_is_valid_as_long_as_its_device_is_there()
    {
        var tokens = new List<string?> { null };
        for (var n = 0; n < 4; n++)
        {
            await SendAsync(n);
            tokens.Add((await AskAsync(tokens[^1])).NextBatch);
        }

        await SendAsync(4);

        foreach (var token in tokens) Assert.That((await AskAsync(token)).Contents, Has.Member("""{"n":4}"""), token);
        Assert.That((await AskAsync(tokens[^1])).Contents, Is.EqualTo(Contents(4)));
    }

    [TestCase("s72594_4483_1934")]
    [TestCase("12")]
    [TestCase("t_______________________________")]
    [TestCase("tAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [TestCase("t\0\u00e9\ud83d\ude00")]
    public async Task R122_a_since_that_this_server_could_not_have_issued_is_refused_and_deletes_nothing(string since)
    {
        await SendAsync(1);

        IsRefused(() => AskAsync(since));
        IsRefused(() => _server.ToDevice.WaitAsync(s_bobsPhone, new ToDeviceExtensionRequest(since), s_longTime, default).AsTask());
        Assert.That((await AskAsync(null)).Contents, Is.EqualTo(Contents(1)));
    }

    [TestCase("@bob:hs1", "B2")]
    [TestCase("@carol:hs1", "B1")]
    public async Task R122_a_since_of_another_device_or_user_is_refused_and_deletes_nothing(string userId, string deviceId)
    {
        var other = _server.Login(userId, deviceId);
        await SendAsync(1);
        await _alice.SendAsync("other", userId, deviceId);
        var foreign = (await other.SyncAsync()).NextBatch;

        IsRefused(() => AskAsync(foreign));
        Assert.That((await AskAsync(null)).Contents, Is.EqualTo(Contents(1)));
        Assert.That((await other.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task R124_messages_of_a_device_come_in_the_order_in_which_it_sent_them()
    {
        await SendAsync(1, 2, 3, 4, 5);

        Assert.That((await AskAsync(null)).Contents, Is.EqualTo(Contents(1, 2, 3, 4, 5)));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task R124_a_message_ends_a_long_poll(bool hasToken)
    {
        using var waiting = WaitingSyncs.Of(_server.Services);
        await SendAsync(1);
        var since = hasToken ? (await AskAsync(null)).NextBatch : null;
        if (!hasToken) await _bob.SyncAsync((await _bob.SyncAsync()).NextBatch);
        var request = new ToDeviceExtensionRequest(since);
        var poll = AskAsync(since, timeout: s_longTime);
        var wait = _server.ToDevice.WaitAsync(s_bobsPhone, request, s_longTime, default).AsTask();
        await waiting.ReachesAsync(2);

        await SendAsync(2);

        Assert.That((await poll.WaitAsync(TimeLimit.OfOneWait)).Contents, Is.EqualTo(Contents(2)));
        Assert.That(await wait.WaitAsync(TimeLimit.OfOneWait), Is.True);
    }

    [Test]
    public async Task R124_a_poll_that_nothing_ends_is_answered_when_its_time_is_up_with_the_same_position()
    {
        await SendAsync(1);
        var since = (await AskAsync(null)).NextBatch;

        var reply = await AskAsync(since, timeout: TimeSpan.FromMilliseconds(50));

        Assert.That((reply.NextBatch, reply.Contents), Is.EqualTo((since, Array.Empty<string>())));
        Assert.That(await _server.ToDevice.WaitAsync(s_bobsPhone, new ToDeviceExtensionRequest(since), TimeSpan.FromMilliseconds(1), default), Is.False);
    }

    [Test]
    public async Task R125_what_a_sync_has_acknowledged_does_not_come_in_the_extension()
    {
        await SendAsync(1);
        var first = await _bob.SyncAsync();
        Assert.That((await AskAsync(null)).Contents, Is.EqualTo(Contents(1)), "one queue");
        await SendAsync(2);
        await _bob.SyncAsync(first.NextBatch);

        Assert.That((await AskAsync(null)).Contents, Is.EqualTo(Contents(2)));
        Assert.That((await AskAsync(first.NextBatch)).Contents, Is.EqualTo(Contents(2)), "a client that goes over keeps its token");
    }

    [Test]
    public async Task R125_what_the_extension_has_acknowledged_does_not_come_in_a_sync()
    {
        await SendAsync(1);
        var first = await AskAsync(null);
        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(Contents(1)), "one queue");
        await SendAsync(2);
        await AskAsync(first.NextBatch);

        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(Contents(2)));
        Assert.That((await _bob.SyncAsync(first.NextBatch)).Contents, Is.EqualTo(Contents(2)), "a client that goes back keeps its token");
    }

    [Test]
    public async Task R120_an_extension_that_is_not_enabled_acknowledges_nothing_and_gets_nothing()
    {
        await SendAsync(1);
        var token = (await AskAsync(null)).NextBatch;
        var off = ToDeviceExtensionRequest.Parse(Encoding.UTF8.GetBytes($$"""{"enabled":false,"since":"{{token}}"}"""));

        using var batch = await _server.ToDevice.NextAsync(s_bobsPhone, off, TimeSpan.Zero, default);

        Assert.That(batch.IsEmpty);
        Assert.That(await _server.ToDevice.WaitAsync(s_bobsPhone, off, TimeSpan.FromMilliseconds(1), default), Is.False);
        Assert.That((await AskAsync(batch.NextBatch)).Contents, Is.EqualTo(Contents(1)), "not even if a host writes its token");
    }

    /// <summary>It would be answered at once, and asked again at once, as long as there is a message that it does not want.</summary>
    [Test]
    public async Task R124_an_extension_that_is_not_enabled_is_not_woken_by_a_message_and_ends_with_its_device()
    {
        using var waiting = WaitingSyncs.Of(_server.Services);
        await SendAsync(1);
        var wait = _server.ToDevice.WaitAsync(s_bobsPhone, default(ToDeviceExtensionRequest), s_longTime, default).AsTask();
        var poll = _server.ToDevice.NextAsync(s_bobsPhone, default(ToDeviceExtensionRequest), s_longTime, default).AsTask();
        await waiting.ReachesAsync(2);
        await SendAsync(2);
        Assert.That((wait.IsCompleted, poll.IsCompleted), Is.EqualTo((false, false)));

        await _server.LogoutAsync("@bob:hs1", "B1");

        Assert.That(await wait.WaitAsync(TimeLimit.OfOneWait), Is.False);
        using var batch = await poll.WaitAsync(TimeLimit.OfOneWait);
        Assert.That(batch.IsEmpty);
    }

    private async Task SendAsync(params int[] numbers)
    {
        foreach (var n in numbers) (await _alice.SendAsync($"t{n}", "@bob:hs1", "B1", $$"""{"n":{{n}}}""")).ShouldBeAccepted();
    }

    private async Task<Section> AskAsync(string? since, int limit = 100, TimeSpan timeout = default)
    {
        using var batch = await _server.ToDevice.NextAsync(s_bobsPhone, new ToDeviceExtensionRequest(since, limit), timeout, default);
        var text = Write(batch);
        using var document = JsonDocument.Parse(text);
        return new Section(text, batch.NextBatch, [.. document.RootElement.GetProperty("events").EnumerateArray().Select(one => one.GetProperty("content").GetRawText())]);
    }

    private static string Write(ToDeviceBatch batch)
    {
        var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text)) batch.WriteExtensionTo(json);
        return Encoding.UTF8.GetString(text.ToArray());
    }

    private static void IsRefused(Func<Task> ask) => Assert.That(
        async () => await ask(), Throws.TypeOf<ToDeviceErrorException>().With.Property("Error").Property("ErrorCode").EqualTo("M_INVALID_PARAM"));

    private static string[] Contents(params int[] numbers) => [.. numbers.Select(n => $$"""{"n":{{n}}}""")];

    private sealed record Section(string Text, string NextBatch, string[] Contents);
}
