using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests.Limits;

/// <summary>Requests that Bob need not see any more are dropped when they would be handed out, and nothing else is (MSC3944).</summary>
public class StaleRequestTests
{
    private const int Limit = 10;
    private static readonly DeviceAddress s_bobs = new("@bob:hs1", "B1");
    private static readonly TimeSpan s_longTime = TimeSpan.FromMinutes(2);

    private TestTime _time = null!;
    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private TestClient _bob = null!;
    private int _sent;

    private HookedInbox Inbox => _server.Services.GetRequiredService<HookedInbox>();

    [SetUp]
    public async Task StartAsync()
    {
        (_sent, _time) = (0, new TestTime());
        _server = await TestHomeserver.StartAsync(builder =>
        {
            HookedInbox.Add(builder);
            builder.Services.AddSingleton<TimeProvider>(_time);
            builder.Services.Configure<SendToDeviceOptions>(options => (options.DropStaleRequests, options.SyncLimit) = (true, Limit));
        });
        _alice = _server.Login("@alice:hs1", "A1");
        _bob = _server.Login("@bob:hs1", "B1");
    }

    [TearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    /// <summary>
    /// Words: k is a key request, s a secret request, v a verification request, each with its ID; with <c>-</c> what cancels it; x is another
    /// message. A word in upper case is a key request of the same ID that asks for another key.
    /// </summary>
    [TestCase("k1", "k1")]
    [TestCase("k1 -k1", "")]
    [TestCase("k1 x -k1 x", "x x")]
    [TestCase("-k1", "-k1")]
    [TestCase("-k1 k1", "-k1 k1")]
    [TestCase("k1 -k1 k1", "k1")]
    [TestCase("k1 k2 -k1", "k2")]
    [TestCase("k1 k1 x", "k1 x")]
    [TestCase("k1 x k1", "x k1")]
    [TestCase("k1 K1", "k1 K1")]
    [TestCase("k1 K1 -k1", "")]
    [TestCase("k1 k1 k1 -k1", "")]
    [TestCase("s1 -s1", "")]
    [TestCase("s1 s1", "s1 s1")]
    [TestCase("s1 -k1", "s1 -k1")]
    [TestCase("v1 -v1", "")]
    [TestCase("v1 -v2", "v1 -v2")]
    [TestCase("v1 v2 x -v1", "v2 x")]
    public async Task R130_what_is_cancelled_goes_with_what_cancels_it_and_all_else_is_handed_out(string sent, string handedOut)
    {
        using var metrics = CapturedMetrics.Of(_server);
        var words = sent.Split(' ');
        foreach (var word in words) await SendAsync(word);

        var sync = await _bob.SyncAsync();

        var expected = handedOut.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => Content(word).Content);
        Assert.That(sync.Contents, Is.EqualTo(expected));
        var dropped = words.Length - expected.Count();
        Assert.That(metrics["matrix.to_device.dropped"].Sum(drop => drop.Value), Is.EqualTo(dropped));
        Assert.That((await _bob.SyncAsync(sync.NextBatch)).Events, Is.Empty, "it does not come back");
        using var rest = await Inbox.ReadAsync(s_bobs, InboxPosition.Start, 100, int.MaxValue, default);
        Assert.That(rest.Messages, Is.Empty);
    }

    [Test]
    public async Task R130_what_another_user_cancels_is_not_cancelled()
    {
        await SendAsync("k1");
        await SendAsync("-k1", _server.Login("@mallory:hs1", "M1"));

        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(2));
    }

    [TestCase(9, 1)]
    [TestCase(11, 0)]
    public async Task R130_a_verification_request_is_dropped_ten_minutes_after_it_was_made(int minutes, int handedOut)
    {
        await SendAsync("v1");
        _time.Advance(TimeSpan.FromMinutes(minutes));

        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(handedOut));
    }

    private static readonly string[] s_unreadable =
    [
        "{}", """{"action":1,"request_id":[],"requesting_device_id":{}}""", """{"action":"request","request_id":"1"}""",
        """{"action":"request","request_id":"\ud800","requesting_device_id":"A1"}""",
        """{"action":"request","request_id":"1","request_id":"1","requesting_device_id":"A1"}""",
        """{"action":"perhaps","request_id":"1","requesting_device_id":"A1"}""",
        """{"transaction_id":null,"timestamp":0}""", """{"transaction_id":"1","timestamp":"0"}""", """{"transaction_id":"1","timestamp":1e400}""",
        """{"transaction_id":"1","timestamp":0.5}""", """{"transaction_id":"1","timestamp":0,"timestamp":0}""",
        $$"""{"transaction_id":"1","x":{{new string('[', 100)}}{{new string(']', 100)}}}""",
    ];

    [TestCaseSource(nameof(s_unreadable))]
    public async Task D24_what_cannot_be_read_is_handed_out(string content)
    {
        // It says nothing that could be cancelled, repeated, or too old.
        const string Cancellation = """{"action":"request_cancellation","request_id":"1","requesting_device_id":"A1"}""";
        foreach (var type in (string[])["m.room_key_request", "m.secret.request"])
        {
            foreach (var sent in (string[])[content, content, Cancellation])
                (await _alice.SendAsync($"t{_sent++}", "@bob:hs1", "B1", sent, type)).ShouldBeAccepted();
        }

        (await _alice.SendAsync($"t{_sent++}", "@bob:hs1", "B1", content, "m.key.verification.request")).ShouldBeAccepted();
        _time.Advance(TimeSpan.FromHours(1));

        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(new[] { content, content, Cancellation, content, content, Cancellation, content }));
    }

    [Test]
    public async Task D24_what_is_no_JSON_at_all_is_handed_out()
    {
        await _alice.SendAsync("t", "@bob:hs1", "B1", "{}", "m.room_key_request");
        Inbox.Replace = page => new InboxPage(
            [.. page.Messages.Select(message => message with { Content = "{\"action\":"u8.ToArray() })], page.HasMore, page);

        using var batch = await _server.ToDevice.NextAsync(s_bobs, null, TimeSpan.Zero, default);

        Assert.That(batch.Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task R130_a_request_whose_cancellation_is_beyond_the_page_comes_with_it()
    {
        await SendAsync("k1");
        for (var n = 0; n < Limit; n++) await SendAsync("x");
        await SendAsync("-k1");

        var first = await _bob.SyncAsync();
        var second = await _bob.SyncAsync(first.NextBatch);

        Assert.That(first.Contents.First(), Is.EqualTo(Content("k1").Content));
        Assert.That(second.Contents, Is.EqualTo(new[] { Content("x").Content, Content("-k1").Content }), "the device has the request, and needs it");
    }

    [Test]
    public async Task R130_more_of_them_than_a_page_has_hold_up_nothing()
    {
        for (var n = 0; n < 2 * Limit; n++)
        {
            await SendAsync($"k{n}");
            await SendAsync($"-k{n}");
        }

        await SendAsync("x");

        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(new[] { Content("x").Content }));
    }

    [Test]
    public async Task R130_a_wait_for_one_message_is_not_ended_by_a_request_that_is_cancelled()
    {
        await SendAsync("k1");
        await SendAsync("-k1");
        using var waiting = WaitingSyncs.Of(_server.Services);

        var wait = _server.ToDevice.WaitAsync(s_bobs, null, s_longTime, default).AsTask();
        await waiting.ReachesAsync(1);
        for (var turn = 0; turn < 3; turn++) await TimeLimit.OneMoreTurnAsync();
        Assert.That(wait.IsCompleted, Is.False);
        Assert.That(Inbox.Asked, Has.Count.LessThanOrEqualTo(3), "it does not spin");
        await SendAsync("x");

        Assert.That(await wait.WaitAsync(TimeLimit.OfOneWait), Is.True);
        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(new[] { Content("x").Content }));
    }

    [Test]
    public async Task R56_the_same_since_gives_the_same_without_what_was_cancelled_meanwhile()
    {
        foreach (var word in (string[])["x", "k1", "x"]) await SendAsync(word);
        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(3));
        await SendAsync("-k1");

        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(new[] { Content("x").Content, Content("x").Content }));
    }

    [Test]
    public async Task R130_unless_it_is_asked_for_nothing_is_dropped()
    {
        await using var server = await TestHomeserver.StartAsync();
        _alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");
        foreach (var word in (string[])["k1", "k1", "-k1", "v1", "-v1"]) await SendAsync(word);

        Assert.That((await bob.SyncAsync()).Events, Has.Count.EqualTo(5));
    }

    private async Task SendAsync(string word, TestClient? sender = null)
    {
        var (type, content) = Content(word);
        (await (sender ?? _alice).SendAsync($"t{_sent++}", "@bob:hs1", "B1", content, type)).ShouldBeAccepted();
    }

    private static (string Type, string Content) Content(string word)
    {
        var isCancel = word[0] == '-';
        var action = isCancel ? "request_cancellation" : "request";
        var name = word.TrimStart('-');
        var id = name.Length > 1 ? name[1..] : "";
        // As the tests' clock stood when they began.
        var timestamp = new TestTime().GetUtcNow().ToUnixTimeMilliseconds();
        return name[0] switch
        {
            'k' or 'K' => ("m.room_key_request", $$"""{"action":"{{action}}","request_id":"{{id}}","requesting_device_id":"A1","body":"{{name[0]}}"}"""),
            's' => ("m.secret.request", $$"""{"action":"{{action}}","request_id":"{{id}}","requesting_device_id":"A1"}"""),
            'v' when isCancel => ("m.key.verification.cancel", $$"""{"transaction_id":"{{id}}","code":"m.user"}"""),
            'v' => ("m.key.verification.request", $$"""{"transaction_id":"{{id}}","from_device":"A1","timestamp":{{timestamp}}}"""),
            _ => ("m.test", """{"x":1}"""),
        };
    }
}
