using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice.Tests;

/// <summary>Most syncs find nothing: an inbox that is known to be empty is not read again, until anything may have come (D25, D13).</summary>
public class EmptyInboxTests
{
    private static readonly DeviceAddress s_bobsPhone = new("@bob:hs1", "B1");

    private readonly ManualTime _time = new();
    private TestHomeserver _server = null!;
    private HookedInbox _inbox = null!;
    private HookedStore _store = null!;
    private TestClient _alice = null!, _bob = null!;
    private string _since = "";
    private bool _isSignalled;

    [SetUp]
    public async Task StartAsync()
    {
        _isSignalled = true;
        _server = await TestHomeserver.StartAsync(builder =>
        {
            OtherHost.UseStore(builder);
            HookedStore.Add(builder);
            builder.Services.AddSingleton<TimeProvider>(_time);
            // The clock's only timers are those of the syncs.
            builder.Services.Configure<SendToDeviceOptions>(options => options.StatisticsInterval = null);
            builder.Services.AddSingleton(provider => new HookedInbox(provider.GetRequiredService<HookedStore>()) { IsSignalled = () => _isSignalled });
            builder.Services.Replace(ServiceDescriptor.Singleton<IDeviceInbox>(provider => provider.GetRequiredService<HookedInbox>()));
        });
        (_inbox, _store) = (_server.Services.GetRequiredService<HookedInbox>(), _server.Services.GetRequiredService<HookedStore>());
        _alice = _server.Login("@alice:hs1", "A1");
        _bob = _server.Login("@bob:hs1", "B1");

        // One message that Bob has acknowledged, and an inbox that was read and found empty.
        await _alice.SendAsync("t0", "@bob:hs1", "B1");
        _since = (await _bob.SyncAsync((await _bob.SyncAsync()).NextBatch)).NextBatch;
    }

    [TearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [Test]
    public async Task D25_an_inbox_that_is_known_to_be_empty_is_neither_read_nor_acknowledged()
    {
        var (reads, acknowledgements) = (_inbox.Asked.Count, _inbox.Acknowledged);

        for (var n = 0; n < 3; n++)
        {
            var sync = await _bob.SyncAsync(_since);
            Assert.That((sync.Events.Count, sync.NextBatch), Is.EqualTo((0, _since)));
        }

        Assert.That(await _server.ToDevice.WaitAsync(s_bobsPhone, _since, TimeSpan.Zero, default), Is.False);
        Assert.That((_inbox.Asked.Count, _inbox.Acknowledged), Is.EqualTo((reads, acknowledgements)));
    }

    [Test]
    public async Task D25_while_commits_are_not_signalled_it_is_read()
    {
        _isSignalled = false;

        Assert.That(await ReadsAsync(), Is.EqualTo(1));
    }

    [TestCase(59, 0)]
    [TestCase(61, 1)]
    [TestCase(600, 1)]
    public async Task D13_after_a_minute_it_is_read_for_what_nobody_has_told(int seconds, int reads)
    {
        _time.Advance(TimeSpan.FromSeconds(seconds));

        Assert.That(await ReadsAsync(), Is.EqualTo(reads));
    }

    [Test]
    public async Task D13_a_wait_looks_a_minute_after_the_last_look_and_not_after_its_own_beginning()
    {
        _time.Advance(TimeSpan.FromSeconds(40));
        await CommitUnnoticedAsync();

        var poll = _server.ToDevice.NextAsync(s_bobsPhone, _since, TimeSpan.FromMinutes(5), default).AsTask();
        while (!_time.HasTimerIn(TimeSpan.FromSeconds(20))) await TimeLimit.OneMoreTurnAsync();
        _time.Advance(TimeSpan.FromSeconds(20));

        using var batch = await poll.WaitAsync(TimeLimit.OfOneWait);
        Assert.That(batch.Events, Has.Count.EqualTo(1));
    }

    /// <summary>
    /// The connection of a sliding sync that wants rooms and no messages: with nothing to look for, it has to sleep all the same, or it
    /// would keep its thread, and go on when its client has gone.
    /// </summary>
    [TestCase(61)]
    [TestCase(45, Description = "the minute ends while it waits")]
    public async Task R124_who_waits_for_no_messages_sleeps_however_long_ago_the_last_look_was(int seconds)
    {
        _time.Advance(TimeSpan.FromSeconds(seconds));
        var reads = _inbox.Asked.Count;
        using var gone = new CancellationTokenSource();
        using var waiting = WaitingSyncs.Of(_server.Services);
        var poll = Task.Run(async () => await _server.ToDevice.WaitAsync(s_bobsPhone, default(ToDeviceExtensionRequest), TimeSpan.FromMinutes(5), gone.Token));
        await waiting.ReachesAsync(1);
        _time.Advance(TimeSpan.FromSeconds(20));

        await gone.CancelAsync();
        await Task.WhenAny(poll, Task.Delay(TimeLimit.OfOneWait));

        // It would not end before.
        var hasEnded = poll.IsCompleted;
        _time.Advance(TimeSpan.FromMinutes(10));
        Assert.That(async () => await poll, Throws.InstanceOf<OperationCanceledException>());
        Assert.That((hasEnded, _inbox.Asked.Count - reads), Is.EqualTo((true, 0)));
    }

    /// <summary>How long nobody looks is six times the interval, up to a minute, or the interval; however long that is.</summary>
    [TestCase(5, 29, 31)]
    [TestCase(30, 59, 61)]
    [TestCase(300, 299, 301)]
    [TestCase(922_337_203_685, 3600, null)]
    public async Task D13_nobody_is_blind_for_longer_than_the_host_has_said(long interval, int known, int? read)
    {
        _server.Services.GetRequiredService<IOptions<SendToDeviceOptions>>().Value.SyncPollInterval = TimeSpan.FromSeconds(interval);
        Forget();
        await _bob.SyncAsync(_since);

        _time.Advance(TimeSpan.FromSeconds(known));
        Assert.That(await ReadsAsync(), Is.Zero);
        if (read is null) return;

        _time.Advance(TimeSpan.FromSeconds(read.Value - known));
        Assert.That(await ReadsAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task D13_the_next_sync_finds_what_was_sent([Values] bool isWaiting)
    {
        await _alice.SendAsync("t1", "@bob:hs1", "B1");

        Assert.That((await _bob.SyncAsync(_since, isWaiting ? 60_000 : 0)).Events, Has.Count.EqualTo(1));
    }

    /// <summary>The sync has read an empty inbox, and is about to remember that.</summary>
    [Test]
    public async Task D13_the_next_sync_finds_what_came_while_one_was_reading()
    {
        Forget();
        _inbox.AfterRead = async _ =>
        {
            _inbox.AfterRead = _ => Task.CompletedTask;
            await _alice.SendAsync("t1", "@bob:hs1", "B1");
        };

        Assert.That((await _bob.SyncAsync(_since)).Events, Is.Empty);
        Assert.That((await _bob.SyncAsync(_since)).Events, Has.Count.EqualTo(1));
    }

    /// <summary>Two at once: the one that began earlier is the last to end.</summary>
    [Test]
    public async Task D13_an_older_look_says_nothing_about_what_came_after_a_newer_one()
    {
        Forget();
        var (first, go) = (new TaskCompletionSource(), new TaskCompletionSource());
        _inbox.AfterRead = async _ =>
        {
            if (first.TrySetResult()) await go.Task;
        };
        var slow = _bob.SyncAsync(_since);
        await first.Task;
        Assert.That((await _bob.SyncAsync(_since)).Events, Is.Empty);
        await _alice.SendAsync("t1", "@bob:hs1", "B1");

        go.SetResult();
        await slow;

        Assert.That((await _bob.SyncAsync(_since)).Events, Has.Count.EqualTo(1));
    }

    /// <summary>The database has the commit, and its answer was lost.</summary>
    [Test]
    public async Task D13_the_next_sync_finds_what_a_send_has_committed_that_was_answered_503()
    {
        _store.AfterCommit = () => throw new IOException("The connection was lost.");

        var response = await _alice.SendAsync("t1", "@bob:hs1", "B1");

        Assert.That(response.Status, Is.EqualTo(503));
        Assert.That((await _bob.SyncAsync(_since)).Events, Has.Count.EqualTo(1));
    }

    /// <summary>Another host has committed it, and died before it could tell; the client asks this one.</summary>
    [Test]
    public async Task D13_a_retry_tells_of_what_another_host_has_committed()
    {
        await CommitUnnoticedAsync();
        Assert.That((await _bob.SyncAsync(_since)).Events, Is.Empty);

        await _alice.SendAsync("unnoticed", "@bob:hs1", "B1");

        Assert.That((await _bob.SyncAsync(_since)).Events, Has.Count.EqualTo(1));
    }

    /// <summary>
    /// Another host has committed a message and handed it out, and the client, which has it, asks this one: where nothing is known of
    /// it until it is told.
    /// </summary>
    [Test]
    public async Task R52_what_a_device_says_it_has_does_not_come_again_when_this_host_is_told_of_it_late()
    {
        await CommitUnnoticedAsync();
        _isSignalled = false;
        var has = (await _bob.SyncAsync(_since)).NextBatch;
        _isSignalled = true;
        // Both wait when the calls return: there is nothing to ask.
        var poll = _server.ToDevice.NextAsync(s_bobsPhone, has, TimeSpan.FromMinutes(5), default).AsTask();
        var wait = _server.ToDevice.WaitAsync(s_bobsPhone, has, TimeSpan.FromMinutes(5), default).AsTask();

        _server.Services.GetRequiredService<IInboxSignals>().MessagesArrived(s_bobsPhone);

        await _alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""");
        using var batch = await poll;
        Assert.That(await wait, Is.True);
        Assert.That(batch.Events.Select(message => Encoding.UTF8.GetString(message.Content.Span)), Is.EqualTo(new[] { """{"n":1}""" }));
    }

    [Test]
    public async Task D25_a_wait_that_is_woken_does_not_acknowledge_what_was_acknowledged_before_it()
    {
        var acknowledged = _inbox.Acknowledged;
        // It waits when the call returns: there is nothing to ask.
        var poll = _server.ToDevice.NextAsync(s_bobsPhone, _since, TimeSpan.FromMinutes(5), default).AsTask();

        await _alice.SendAsync("t1", "@bob:hs1", "B1");

        using var batch = await poll;
        Assert.That((batch.Events.Count, _inbox.Acknowledged), Is.EqualTo((1, acknowledged)));
    }

    /// <summary>Here the store is this host's own: it tells by itself.</summary>
    [Test]
    public async Task D25_what_a_host_commits_through_the_seams_is_found_at_once([Values] bool isWaiting)
    {
        await using var server = await TestHomeserver.StartAsync();
        var sync = server.ToDevice;
        using var empty = await sync.NextAsync(s_bobsPhone, null, TimeSpan.Zero, default);
        var poll = isWaiting ? sync.NextAsync(s_bobsPhone, null, TimeSpan.FromMinutes(1), default).AsTask() : null;
        var (transactions, inbox) = (server.Services.GetRequiredService<ITransactionStore>(), server.Services.GetRequiredService<IDeviceInbox>());

        await using (var transaction = (await transactions.BeginAsync(NewKey(), transactions.KnownRemovals, default))!)
        {
            await inbox.AppendAsync(transaction, [NewMessage()], default);
            await transaction.CommitAsync(default);
        }

        using var batch = await (poll ?? sync.NextAsync(s_bobsPhone, null, TimeSpan.Zero, default).AsTask()).WaitAsync(TimeLimit.OfOneWait);
        Assert.That(batch.Events, Has.Count.EqualTo(1));
    }

    [TestCase(nameof(IInboxSignals.MessagesArrived))]
    [TestCase(nameof(IInboxSignals.Missed))]
    [TestCase(nameof(IInboxSignals.DeviceRemoved))]
    public async Task D25_after_any_signal_it_is_read(string signal)
    {
        var signals = _server.Services.GetRequiredService<IInboxSignals>();

        if (signal == nameof(IInboxSignals.MessagesArrived)) signals.MessagesArrived(s_bobsPhone);
        else if (signal == nameof(IInboxSignals.Missed)) signals.Missed();
        else signals.DeviceRemoved(s_bobsPhone);

        Assert.That(await ReadsAsync(), Is.EqualTo(1));
        Assert.That(await ReadsAsync(), Is.Zero);
    }

    [Test]
    public async Task D25_what_comes_for_others_is_no_reason_to_read()
    {
        _server.Login("@bob:hs1", "B2");
        await _alice.SendAsync("t1", "@bob:hs1", "B2");
        await _server.LogoutAsync("@bob:hs1", "B2");

        Assert.That(await ReadsAsync(), Is.Zero);
    }

    /// <summary>Any text is an ID (R71), and somebody may have chosen one to fill the memory with.</summary>
    [Test]
    public async Task R71_devices_with_IDs_of_any_length_get_their_messages()
    {
        var deviceId = new string('x', 10_000);
        _server.Login("@bob:hs1", deviceId);
        var device = new DeviceAddress("@bob:hs1", deviceId);
        using (var first = await _server.ToDevice.NextAsync(device, null, TimeSpan.Zero, default)) Assert.That(first.IsEmpty);
        await _alice.SendAsync("t1", "@bob:hs1", deviceId);

        using var batch = await _server.ToDevice.NextAsync(device, null, TimeSpan.Zero, default);

        Assert.That(batch.Events, Has.Count.EqualTo(1));
    }

    /// <summary>A server that runs for years has seen many devices: of those that do not come any more, nothing is kept.</summary>
    [Test]
    public async Task D25_who_does_not_come_for_some_minutes_is_forgotten()
    {
        var userIds = new List<WeakReference>();
        for (var n = 0; n < 200; n++) userIds.Add(await SyncOnceAsync());
        for (var n = 0; n < 3; n++)
        {
            _time.Advance(TimeSpan.FromMinutes(2));
            await _bob.SyncAsync(_since);
        }

        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();

        // A few may still be known to something that has not been used since.
        Assert.That(userIds.Count(userId => userId.IsAlive), Is.LessThan(20));
    }

    // A frame of its own, so that the caller's keeps nothing.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private async Task<WeakReference> SyncOnceAsync()
    {
        var userId = $"@{Guid.NewGuid():N}:hs1";
        using var batch = await _server.ToDevice.NextAsync(new DeviceAddress(userId, "D"), null, TimeSpan.Zero, default);
        return new WeakReference(userId);
    }

    /// <summary>How often a sync reads the inbox.</summary>
    private async Task<int> ReadsAsync()
    {
        var before = _inbox.Asked.Count;
        await _bob.SyncAsync(_since);
        return _inbox.Asked.Count - before;
    }

    private void Forget() => _server.Services.GetRequiredService<IInboxSignals>().Missed();

    /// <summary>As another host does it that cannot tell.</summary>
    private async Task CommitUnnoticedAsync()
    {
        await using var transaction = (await _store.BeginAsync(NewKey(), _store.KnownRemovals, default))!;
        await _store.AppendAsync(transaction, [NewMessage()], default);
        Assert.That(await transaction.CommitAsync(default), Is.EqualTo(CommitResult.Committed));
    }

    private static TransactionKey NewKey() => new("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", "unnoticed");

    private static ToDeviceMessage NewMessage() => new(s_bobsPhone, "@alice:hs1", "m.test", "{}"u8.ToArray(), 1);
}
