using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>Bob ignores Mallory: her messages are dropped when they would be handed out, and nothing else is (R60).</summary>
public class IgnoredUserTests
{
    private const int Limit = 3;
    private static readonly DeviceAddress s_bobs = new("@bob:hs1", "B1");
    private static readonly TimeSpan s_longTime = TimeSpan.FromMinutes(2);

    private CapturedLog _log = null!;
    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private TestClient _bob = null!;
    private TestClient _mallory = null!;
    private TestIgnoredUsers _list = null!;
    private int _sent;

    private HookedInbox Inbox => _server.Services.GetRequiredService<HookedInbox>();

    [SetUp]
    public async Task StartAsync()
    {
        _sent = 0;
        _log = new CapturedLog();
        _server = await TestHomeserver.StartAsync(
            builder =>
            {
                HookedInbox.Add(builder);
                _log.AddTo(builder, LogLevel.Debug);
                builder.UseIgnoredUsers<TestIgnoredUsers>();
                builder.Services.Configure<SendToDeviceOptions>(options => options.SyncLimit = Limit);
            });
        _alice = _server.Login("@alice:hs1", "A1");
        _bob = _server.Login("@bob:hs1", "B1");
        _mallory = _server.Login("@mallory:hs1", "M1");
        _list = (TestIgnoredUsers)_server.Services.GetRequiredService<IIgnoredUsers>();
        _list.Ignored = new HashSet<string> { "@mallory:hs1", "@bob:hs1", "@nobody:hs2" };
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        _log.Dispose();
    }

    /// <summary>A letter for each message: its sender.</summary>
    [TestCase("amb", new[] { "ab" })]
    [TestCase("mma", new[] { "a" })]
    [TestCase("amm", new[] { "a", "" })]
    [TestCase("mmm", new[] { "" })]
    [TestCase("mmmmmma", new[] { "a" })]
    [TestCase("mmmmmmmb", new[] { "b" })]
    [TestCase("amabma", new[] { "aa", "ba" })]
    [TestCase("aaammmaaa", new[] { "aaa", "aaa", "" })]
    [TestCase("aaabbb", new[] { "aaa", "bbb", "" })]
    public async Task R60_only_the_messages_of_ignored_users_are_dropped_and_ones_own_never(string messages, string[] responses)
    {
        using var metrics = CapturedMetrics.Of(_server);
        await SendAsync(messages);

        string? since = null;
        var got = new List<string>();
        foreach (var _ in responses)
        {
            var sync = await _bob.SyncAsync(since);
            got.Add(Senders(sync));
            since = sync.NextBatch;
        }

        Assert.That(got, Is.EqualTo(responses));
        Assert.That((await _bob.SyncAsync(since)).Events, Is.Empty);
        Assert.That(await CountStoredAsync(), Is.Zero, "what was dropped is deleted too");
        var dropped = metrics["matrix.to_device.ignored"].Sum(measurement => measurement.Value);
        Assert.That(dropped, Is.EqualTo(messages.Count(sender => sender == 'm')), "each is counted once");
    }

    [Test]
    public async Task R60_D11_R56_the_same_since_gives_the_same_messages_again()
    {
        await SendAsync("mamam");
        var first = await _bob.SyncAsync();

        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(first.Contents));
        Assert.That(first.Contents, Is.EqualTo(new[] { """{"n":2}""" }), "there are others behind the page");
        var second = await _bob.SyncAsync(first.NextBatch);
        Assert.That((await _bob.SyncAsync(first.NextBatch)).Contents, Is.EqualTo(second.Contents));
        Assert.That(second.Contents, Is.EqualTo(new[] { """{"n":4}""" }));
    }

    [Test]
    public async Task R60_who_is_not_ignored_any_more_is_read_again_and_what_was_dropped_does_not_come_back()
    {
        await SendAsync("mmm");
        Assert.That((await _bob.SyncAsync()).Events, Is.Empty);
        await SendAsync("am");

        _list.Ignored = new HashSet<string>();

        Assert.That(Senders(await _bob.SyncAsync()), Is.EqualTo("am"));
    }

    [Test]
    public async Task R60_R57_messages_of_ignored_users_do_not_end_a_long_poll()
    {
        using var waiting = WaitingSyncs.Of(_server.Services);
        var since = (await _bob.SyncAsync()).NextBatch;
        var poll = _bob.SyncAsync(since, (int)s_longTime.TotalMilliseconds);
        await waiting.ReachesAsync(1);

        await SendAsync("mmmm");
        while (await CountStoredAsync() > 0) await TimeLimit.OneMoreTurnAsync();
        Assert.That(poll.IsCompleted, Is.False);
        await SendAsync("a");

        Assert.That(Senders(await poll), Is.EqualTo("a"));
    }

    [Test]
    public async Task R60_R57_they_do_not_end_a_wait_either_and_who_is_told_of_a_message_gets_one()
    {
        using var waiting = WaitingSyncs.Of(_server.Services);
        var wait = _server.ToDevice.WaitAsync(s_bobs, null, s_longTime, default).AsTask();
        await waiting.ReachesAsync(1);
        await SendAsync("mm");
        while (await CountStoredAsync() > 0) await TimeLimit.OneMoreTurnAsync();
        Assert.That(wait.IsCompleted, Is.False);

        await SendAsync("mma");

        Assert.That(await wait.WaitAsync(TimeLimit.OfOneWait), Is.True);
        using var batch = await _server.ToDevice.NextAsync(s_bobs, null, TimeSpan.Zero, default);
        Assert.That(batch.Events.Select(message => message.Sender), Is.EqualTo(new[] { "@alice:hs1" }));
    }

    [Test]
    public async Task R60_a_wait_for_whom_there_are_only_messages_of_ignored_users_ends_with_its_time()
    {
        await SendAsync("mmmm");

        Assert.That(await _server.ToDevice.WaitAsync(s_bobs, null, TimeSpan.FromMilliseconds(50), default), Is.False);
        Assert.That(Inbox.Asked.Count, Is.LessThan(20), "it does not read again and again");
    }

    /// <summary>Each look costs a read and a deletion: who asks for one message does not pay them for each that is in front of it.</summary>
    [Test]
    public async Task R60_whoever_asks_for_few_passes_over_the_others_a_page_at_a_time([Values] bool isWait, [Values("aa", "bb", "ab")] string behind)
    {
        await SendAsync(new string('m', 31) + behind + "m");

        if (isWait) Assert.That(await _server.ToDevice.WaitAsync(s_bobs, null, s_longTime, default), Is.True);
        else
        {
            using var first = await _server.ToDevice.NextAsync(s_bobs, null, limit: 1, TimeSpan.Zero, default);
            Assert.That((first.Events.Count, first.Limited), Is.EqualTo((1, true)), "no more than was asked for");
            using var second = await _server.ToDevice.NextAsync(s_bobs, first.NextBatch, limit: 1, TimeSpan.Zero, default);
            Assert.That(second.Events.Select(message => message.Sender[1]), Is.EqualTo(new[] { behind[1] }), "none is passed over");
        }

        Assert.That(Inbox.Asked.Count, Is.LessThan(20));
    }

    [Test]
    public async Task R60_however_many_there_are_an_answer_has_an_end_and_the_next_one_goes_on()
    {
        // A page of one, and 99 of three.
        await SendAsync(new string('m', 303) + "a");

        using (var first = await _server.ToDevice.NextAsync(s_bobs, null, limit: 1, TimeSpan.Zero, default))
            Assert.That((first.IsEmpty, first.Limited), Is.EqualTo((true, true)));
        Assert.That(await CountStoredAsync(), Is.EqualTo(6), "what was looked at is gone, and nothing else");
        using var second = await _server.ToDevice.NextAsync(s_bobs, null, limit: 1, TimeSpan.Zero, default);
        Assert.That(second.Events.Select(message => message.Sender), Is.EqualTo(new[] { "@alice:hs1" }));
    }

    [Test]
    public async Task R60_D13_a_long_poll_goes_on_at_once_behind_however_many([Values] bool isWait)
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.UseIgnoredUsers<TestIgnoredUsers>();
            builder.Services.Configure<SendToDeviceOptions>(options => (options.SyncLimit, options.SyncPollInterval) = (1, TimeSpan.FromDays(1)));
        });
        ((TestIgnoredUsers)server.Services.GetRequiredService<IIgnoredUsers>()).Ignored = _list.Ignored;
        var (alice, bob, mallory) = (server.Login("@alice:hs1", "A1"), server.Login("@bob:hs1", "B1"), server.Login("@mallory:hs1", "M1"));
        for (var n = 0; n < 250; n++) await mallory.SendAsync($"t{n}", "@bob:hs1", "B1");
        await alice.SendAsync("t1", "@bob:hs1", "B1");

        if (isWait) Assert.That(await server.ToDevice.WaitAsync(s_bobs, null, s_longTime, default).AsTask().WaitAsync(TimeLimit.OfOneWait), Is.True);
        else Assert.That((await bob.SyncAsync(timeout: (int)s_longTime.TotalMilliseconds)).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task R60_the_list_is_asked_once_for_each_look_that_finds_messages_of_others()
    {
        await _bob.SyncAsync();
        await SendAsync("b");
        var since = (await _bob.SyncAsync()).NextBatch;
        Assert.That(_list.Asked, Is.Zero, "nothing, and one's own");

        await SendAsync("mmmmmma");
        await _bob.SyncAsync(since);
        Assert.That(_list.Asked, Is.EqualTo(1), "three pages");
    }

    [Test]
    public async Task R60_D3_a_list_that_is_not_to_be_had_is_503_and_nothing_is_lost()
    {
        await SendAsync("mab");
        _list.Failure = new TimeoutException("the database does not answer");

        (await _bob.SendAsync(HttpMethod.Get, "/_matrix/client/v3/sync")).ShouldBe(503, "M_UNKNOWN");
        Assert.That(await Inbox.GivenBack.WaitAsync(TimeLimit.OfOneWait), Is.True, "the page that was read");
        Assert.That(async () => await _server.ToDevice.WaitAsync(s_bobs, null, TimeSpan.Zero, default), Throws.TypeOf<TimeoutException>());

        Assert.That(await CountStoredAsync(), Is.EqualTo(3));
        _list.Failure = null;
        Assert.That(Senders(await _bob.SyncAsync()), Is.EqualTo("ab"));
    }

    [Test]
    public async Task R60_pages_that_are_dropped_whole_are_given_back()
    {
        await SendAsync("mmmmmma");

        await _bob.SyncAsync();

        for (var page = 0; page < 3; page++) Assert.That(await Inbox.GivenBack.WaitAsync(TimeLimit.OfOneWait), Is.True);
    }

    [Test]
    public async Task R60_D17_what_is_dropped_is_logged_at_Debug_without_its_content()
    {
        await SendAsync("ma");

        await _bob.SyncAsync();

        var entry = _log.Entries.Single(entry => entry.Text.StartsWith("Left out", StringComparison.Ordinal));
        Assert.That(entry.Level, Is.EqualTo(LogLevel.Debug));
        Assert.That(entry.Text, Does.StartWith("Left out 1 messages for @bob:hs1 on B1").And.Not.Contain("\"n\""));
    }

    [Test]
    public async Task R60_without_a_list_nothing_is_dropped()
    {
        await using var server = await TestHomeserver.StartAsync();
        var bob = server.Login("@bob:hs1", "B1");
        await server.Login("@mallory:hs1", "M1").SendAsync("t1", "@bob:hs1", "B1");

        Assert.That((await bob.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    /// <summary>Hosts have the service in classes of which there is one instance, and their lists in a DbContext.</summary>
    [Test]
    public async Task R60_a_list_may_live_as_long_as_one_look_also_for_who_lives_longer_than_a_request()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddScoped<Own>().AddSingleton<Keeper>();
            builder.UseIgnoredUsers<TestIgnoredUsers>().UseIgnoredUsers<ScopedList>(ServiceLifetime.Scoped);
        });
        await server.Login("@mallory:hs1", "M1").SendAsync("t1", "@bob:hs1", "B1");
        server.Login("@bob:hs1", "B1");

        using var batch = await server.Services.GetRequiredService<Keeper>().ToDevice.NextAsync(s_bobs, null, TimeSpan.Zero, default);

        Assert.That(batch.IsEmpty, Is.True);
    }

    [Test]
    public void R60_one_list_that_needs_what_each_request_has_for_itself_is_refused_at_start() => Assert.That(
        () => TestHomeserver.StartAsync(builder => builder.UseIgnoredUsers<ScopedList>().Services.AddScoped<Own>()),
        Throws.InvalidOperationException.With.Message.Contains("UseIgnoredUsers<ScopedList>(lifetime: ServiceLifetime.Scoped)"));

    private async Task SendAsync(string senders)
    {
        foreach (var sender in senders)
        {
            var client = sender switch { 'a' => _alice, 'b' => _bob, _ => _mallory };
            (await client.SendAsync(Guid.NewGuid().ToString("N"), "@bob:hs1", "B1", $$"""{"n":{{++_sent}}}""")).ShouldBeAccepted();
        }
    }

    private async Task<int> CountStoredAsync()
    {
        var inbox = (IDeviceInbox)_server.Services.GetRequiredService<ITransactionStore>();
        using var page = await inbox.ReadAsync(s_bobs, InboxPosition.Start, 1000, 1 << 20, default);
        return page.Messages.Count;
    }

    private static string Senders(TestSync sync) => string.Concat(sync.Events.Select(message => message.Sender[1]));

    internal sealed class Own;

    internal sealed class Keeper(ToDeviceSync toDevice)
    {
        public ToDeviceSync ToDevice => toDevice;
    }

    internal sealed class ScopedList(Own own) : IIgnoredUsers
    {
        public ValueTask<IReadOnlySet<string>> FindAsync(string userId, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IReadOnlySet<string>>(new HashSet<string> { own is null ? "" : "@mallory:hs1" });
    }
}
