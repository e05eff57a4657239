using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>What one host commits wakes the syncs that wait on the others (D13).</summary>
public class SignalTests
{
    // Not every UNLISTEN of a pool.
    private const string Listening = "LISTEN \"";
    private const int LongTime = 120_000;

    [Test]
    public async Task D13_a_message_that_one_host_accepts_ends_a_long_poll_on_another()
    {
        await using var servers = await TwoServers.StartAsync(TestCluster.NewDatabase(), TimeSpan.FromDays(1));
        using var waiting = WaitingSyncs.Of(servers.Two.Services);
        var poll = servers.Bob.SyncAsync(timeout: LongTime);
        await waiting.ReachesAsync(1);

        (await servers.Alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""")).ShouldBeAccepted();

        Assert.That((await poll).Contents, Is.EqualTo(new[] { """{"n":1}""" }));
    }

    [Test]
    public async Task D6_a_device_that_one_host_removes_ends_its_long_poll_on_another()
    {
        await using var servers = await TwoServers.StartAsync(TestCluster.NewDatabase(), TimeSpan.FromDays(1));
        using var waiting = WaitingSyncs.Of(servers.Two.Services);
        var poll = servers.Bob.SyncAsync(timeout: LongTime);
        await waiting.ReachesAsync(1);

        await servers.One.LogoutAsync("@bob:hs1", "B1");

        Assert.That((await poll).Events, Is.Empty);
    }

    [Test]
    public async Task Notifications_reach_hosts_of_the_same_schema_only_and_carry_every_device_in_any_number()
    {
        var database = TestCluster.NewDatabase();
        string[] devices = [.. Enumerable.Range(0, 700).Select(n => $"B{n}{new string('ü', n % 40)}\0")];
        var (own, heard, elsewhere) = (new HeardSignals(), new HeardSignals(), new HeardSignals());
        await using var one = new Host(database, services: own.Add);
        await using var two = new Host(database, services: heard.Add);
        await using var other = new Host(database, options => options.Schema = "other", elsewhere.Add);
        foreach (var host in (Host[])[one, two, other]) await host.ReadAsync("B1");
        await heard.MissedAsync();

        await one.SendAsync("t1", "x", [.. devices, new string('d', 9000)]);
        await heard.ReachesAsync(devices.Length);
        await one.Inbox.RemoveDeviceAsync(Host.Bob("B1"), default);
        await heard.ReachesAsync(devices.Length + 1);

        Assert.That(heard.Devices.Take(devices.Length), Is.EquivalentTo(devices.Select(Host.Bob)));
        Assert.That(heard.Removed, Is.EqualTo(new[] { Host.Bob("B1") }));
        Assert.That(own.Devices.Take(devices.Length), Is.EquivalentTo(devices.Select(Host.Bob)), "a store tells its own host too");
        Assert.That(elsewhere.Devices, Is.Empty);
    }

    /// <summary>In JSON, such an ID can take six times its length, which would be about as much as a notification holds.</summary>
    [Test]
    public async Task D13_a_device_is_notified_of_however_long_its_ID_is_up_to_what_fits()
    {
        var database = TestCluster.NewDatabase();
        var heard = new HeardSignals();
        await using var one = new Host(database);
        await one.ReadAsync("B1");
        await using var two = new Host(database, services: heard.Add);
        await two.ReadAsync("B1");
        await heard.MissedAsync();

        for (var length = 1285; length <= 1305; length++)
        {
            await one.SendAsync($"t{length}", "x", new string('d', length));
            await heard.ReachesAsync(length - 1284);
        }
    }

    [Test]
    public async Task Without_notifications_the_health_check_says_so_until_they_are_back()
    {
        var database = TestCluster.NewDatabase();
        using var proxy = new TestProxy(TestCluster.Cluster.Port);
        var signals = new HeardSignals();
        await using var host = new Host($"{database};Port={proxy.Port}", services: signals.Add);
        Assert.That((await host.HealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy));

        proxy.Cut(Listening);
        var cut = await host.HealthAsync();
        Assert.That(cut.Status, Is.EqualTo(HealthStatus.Degraded), cut.Description);
        Assert.That(cut.Description, Does.Contain("pooler"));

        proxy.Mend();
        await signals.MissedAsync();
        Assert.That((await host.HealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy));
    }

    [Test]
    public async Task D13_a_host_that_is_not_notified_finds_the_message_at_its_next_look()
    {
        var database = TestCluster.NewDatabase();
        using var proxy = new TestProxy(TestCluster.Cluster.Port);
        await using var servers = await TwoServers.StartAsync(database, TimeSpan.FromMilliseconds(200), $"{database};Port={proxy.Port}");
        proxy.Cut(Listening);
        using var waiting = WaitingSyncs.Of(servers.Two.Services);
        var poll = servers.Bob.SyncAsync(timeout: LongTime);
        await waiting.ReachesAsync(1);

        (await servers.Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That((await poll).Events, Has.Count.EqualTo(1));
    }

    /// <summary>As behind a pooler that nobody has noticed: everything works but the notifications.</summary>
    [Test]
    public async Task A_listener_that_is_connected_and_hears_nothing_is_reported()
    {
        using var proxy = new TestProxy(TestCluster.Cluster.Port);
        await using var host = new Host($"{TestCluster.NewDatabase()};Port={proxy.Port}");
        await host.SendAsync("t1", "1", "B1");
        proxy.Mute(Listening);

        Assert.That((await host.HealthAsync()).Status, Is.EqualTo(HealthStatus.Degraded));
        Assert.That(await host.ReadAsync("B1"), Is.EqualTo(new[] { "1" }));
    }

    [Test]
    public async Task D25_a_host_knows_whether_it_hears_of_every_commit()
    {
        var database = TestCluster.NewDatabase();
        using var proxy = new TestProxy(TestCluster.Cluster.Port);
        await using var host = new Host($"{database};Port={proxy.Port}");
        await using var silent = new Host(database, options => options.Notifications = false);
        Assert.That(host.Inbox.SignalsEveryCommit, Is.False, "nothing is known before it listens");
        await silent.ReadAsync("B1");
        Assert.That(silent.Inbox.SignalsEveryCommit, Is.False);

        await host.ReadAsync("B1");
        await SignalsAsync(host, true);
        proxy.Cut(Listening);
        await SignalsAsync(host, false);
        proxy.Mend();
        await SignalsAsync(host, true);
    }

    /// <summary>It is connected, and asks after each silence; but what it asks does not come back.</summary>
    [Test]
    public async Task D25_a_listener_that_hears_nothing_for_too_long_does_not_hear_of_every_commit()
    {
        var time = new SetForward();
        using var proxy = new TestProxy(TestCluster.Cluster.Port);
        await using var host = new Host($"{TestCluster.NewDatabase()};Port={proxy.Port}", services: builder => builder.Services.AddSingleton<TimeProvider>(time));
        await host.ReadAsync("B1");
        await SignalsAsync(host, true);

        time.By = TimeSpan.FromSeconds(35);
        Assert.That(host.Inbox.SignalsEveryCommit, Is.True, "it may have asked just now");
        time.By = TimeSpan.FromSeconds(45);
        Assert.That(host.Inbox.SignalsEveryCommit, Is.False);
        Assert.That((await host.HealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy), "what it sends now comes back");
        Assert.That(host.Inbox.SignalsEveryCommit, Is.True);
    }

    [Test]
    public async Task B11_a_host_that_is_alone_notifies_nobody_until_another_one_comes()
    {
        var database = TestCluster.NewDatabase();
        using var heard = new HeardNotifications(database);
        await using var one = new Host(database);
        await IsAloneAsync(one, heard);

        await SendAloneAndTogetherAsync(one, database, heard);
    }

    /// <summary>Another host may listen already, whose question is still on its way.</summary>
    [Test]
    public async Task D6_a_host_that_is_alone_notifies_of_removals()
    {
        var database = TestCluster.NewDatabase();
        using var heard = new HeardNotifications(database);
        await using var one = new Host(database);
        await IsAloneAsync(one, heard);

        await one.Inbox.RemoveDeviceAsync(Host.Bob("B1"), default);

        await heard.ReachesAsync("\"removed\":[[\"@bob:hs1\",\"B1\"]]");
    }

    [Test]
    public async Task B11_a_host_that_is_alone_after_its_listener_was_broken_notifies_nobody()
    {
        var database = TestCluster.NewDatabase();
        using var proxy = new TestProxy(TestCluster.Cluster.Port);
        var signals = new HeardSignals();
        await using var one = new Host($"{database};Port={proxy.Port}", services: signals.Add);
        await one.ReadAsync("B1");
        new DatabaseView(database).Execute("""SELECT pg_notify('to_device to_device', '{"from":"x","removals":0,"arrived":[["@bob:hs1","B1"]]}')""");
        await signals.ReachesAsync(1);

        proxy.Cut(Listening);
        using var heard = new HeardNotifications(database);
        proxy.Mend();
        await IsAloneAsync(one, heard);

        await SendAloneAndTogetherAsync(one, database, heard);
    }

    [Test]
    public async Task D13_a_host_that_was_alone_notifies_as_soon_as_its_listener_is_broken()
    {
        var database = TestCluster.NewDatabase();
        using var proxy = new TestProxy(TestCluster.Cluster.Port);
        var signals = new HeardSignals();
        await using var one = new Host($"{database};Port={proxy.Port}");
        using (var heard = new HeardNotifications(database)) await IsAloneAsync(one, heard);
        proxy.Cut(Listening);
        await using var two = new Host(database, services: signals.Add);
        await two.ReadAsync("B1");

        using var limit = new CancellationTokenSource(TimeLimit.OfOneWait);
        for (var n = 0; signals.Devices.Count == 0; n++)
        {
            Assert.That(limit.IsCancellationRequested, Is.False, "it cannot know who listens");
            await one.SendAsync($"t{n}", $"{n}", "B1");
        }
    }

    [Test]
    public async Task Hosts_without_notifications_send_none_and_are_healthy()
    {
        var database = TestCluster.NewDatabase();
        var signals = new HeardSignals();
        await using var listening = new Host(database, services: signals.Add);
        await using var silent = new Host(database, options => options.Notifications = false);
        await listening.ReadAsync("B1");

        await silent.SendAsync("t1", "1", "B1");
        await using var third = new Host(database);
        await third.ReadAsync("B1");
        await signals.MissedAsync();
        await third.SendAsync("t2", "2", "B2");
        await signals.ReachesAsync(1);

        Assert.That(signals.Devices, Is.EqualTo(new[] { Host.Bob("B2") }));
        Assert.That((await silent.HealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy));
    }

    [Test]
    public async Task A_notification_that_is_none_of_ours_harms_nobody()
    {
        var database = TestCluster.NewDatabase();
        var signals = new HeardSignals();
        await using var one = new Host(database, services: signals.Add);
        await using var two = new Host(database);
        await one.ReadAsync("B1");

        foreach (var payload in (string[])["", "hello", "[]", "{}", """{"from":1,"removals":"x"}""", """{"from":"x","removals":0,"arrived":[["a"]]}"""])
            new DatabaseView(database).Execute($"SELECT pg_notify('to_device to_device', '{payload}')");
        await two.ReadAsync("B1");
        await signals.MissedAsync();
        await two.SendAsync("t1", "1", "B1");

        await signals.ReachesAsync(1);
    }

    /// <summary>Anybody with rights in the database may send a notification, and say any number in it.</summary>
    [Test]
    public async Task D6_a_forged_notification_lets_no_commit_pass_a_removal()
    {
        var database = TestCluster.NewDatabase();
        var signals = new HeardSignals();
        await using var one = new Host(database, services: signals.Add);
        await using var two = new Host(database);
        await one.SendAsync("t1", "1", "B1");

        new DatabaseView(database).Execute(
            $$"""SELECT pg_notify('to_device to_device', '{"from":"x","removals":{{long.MaxValue}},"arrived":[["@bob:hs1","B1"]]}')""");
        await signals.ReachesAsync(1);
        var before = one.Transactions.KnownRemovals;
        await two.Inbox.RemoveDeviceAsync(Host.Bob("B1"), default);

        Assert.That(await one.SendAsync("t2", "2", ["B1"], knownRemovals: before), Is.EqualTo(CommitResult.DeviceRemoved));
        Assert.That(await one.ReadAsync("B1"), Is.Empty);
    }

    [Test]
    public async Task D13_a_commit_whose_answer_was_lost_is_notified_when_it_is_found()
    {
        var database = TestCluster.NewDatabase();
        using var proxy = new TestProxy(TestCluster.Cluster.Port);
        var signals = new HeardSignals();
        await using var one = new Host($"{database};Port={proxy.Port}", options => options.PrepareStatements = false);
        await one.ReadAsync("B1");
        await using var two = new Host(database, services: signals.Add);
        await two.ReadAsync("B1");
        await signals.MissedAsync();
        proxy.LoseAnswerTo = "to_device_commit";

        Assert.That(await one.SendAsync("t1", "1", "B1"), Is.EqualTo(CommitResult.Committed));

        Assert.That(proxy.LostAnswers, Is.EqualTo(1));
        await signals.ReachesAsync(1);
        Assert.That(signals.Devices, Is.EqualTo(new[] { Host.Bob("B1") }));
    }

    /// <summary>The host that has committed it died before it told the others. The client tries again, at another one.</summary>
    [Test]
    public async Task D13_a_retry_of_a_commit_that_nobody_was_told_of_tells_everybody()
    {
        var database = TestCluster.NewDatabase();
        var signals = new HeardSignals();
        await using var dead = new Host(database, options => options.Notifications = false);
        await using var one = new Host(database);
        await one.ReadAsync("B1");
        await using var two = new Host(database, services: signals.Add);
        await two.ReadAsync("B1");
        await signals.MissedAsync();
        await dead.SendAsync("t1", "1", "B1");

        Assert.That(await one.SendAsync("t1", "1", "B1"), Is.EqualTo(CommitResult.AlreadyCommitted));

        await signals.ReachesAsync(1);
        Assert.That(signals.Devices, Is.EqualTo(new[] { Host.Bob("B1") }));
    }

    /// <summary>The other hosts hear, and know of nothing that they have not heard.</summary>
    [Test]
    public async Task D25_after_a_notification_that_failed_the_next_one_makes_everybody_look()
    {
        var database = TestCluster.NewDatabase();
        using var proxy = new TestProxy(TestCluster.Cluster.Port);
        var (log, signals) = (new CapturedLog(), new HeardSignals());
        await using var one = new Host($"{database};Port={proxy.Port}", services: builder => log.AddTo(builder, LogLevel.Warning));
        await one.ReadAsync("B1");
        await using var two = new Host(database, services: signals.Add);
        await two.ReadAsync("B1");
        await signals.MissedAsync();
        proxy.Cut("pg_notify");
        await one.SendAsync("t1", "1", "B1");
        while (!log.Entries.Any(entry => entry.Text.StartsWith("Other hosts were not notified", StringComparison.Ordinal))) await TimeLimit.OneMoreTurnAsync();
        var before = signals.TimesMissed;

        proxy.Mend();
        await one.SendAsync("t2", "2", "B2");
        await signals.ReachesAsync(1);

        Assert.That(signals.Devices, Is.EqualTo(new[] { Host.Bob("B2") }));
        Assert.That(signals.TimesMissed, Is.GreaterThan(before));
    }

    private static async Task SignalsAsync(Host host, bool expected)
    {
        while (host.Inbox.SignalsEveryCommit != expected) await TimeLimit.OneMoreTurnAsync();
    }

    /// <summary>The real clock, some time ahead for who measures.</summary>
    private sealed class SetForward : TimeProvider
    {
        public TimeSpan By { get; set; }

        public override long GetTimestamp() => base.GetTimestamp() + (long)(By.TotalSeconds * TimestampFrequency);
    }

    /// <summary>Waits until a host has asked who else listens, and has heard it: a notification of its own comes back behind it.</summary>
    private static async Task IsAloneAsync(Host host, HeardNotifications heard)
    {
        var opening = host.ReadAsync("nobody");
        await heard.ReachesAsync("\"presence\":1");
        await opening;
        // The first one may go while it is still connecting.
        while ((await host.HealthAsync()).Status != HealthStatus.Healthy) await TimeLimit.OneMoreTurnAsync();
    }

    private static async Task SendAloneAndTogetherAsync(Host one, string database, HeardNotifications heard)
    {
        for (var n = 0; n < 100; n++) await one.SendAsync($"t{n}", $"{n}", "alone");
        var signals = new HeardSignals();
        await using var two = new Host(database, services: signals.Add);
        await two.ReadAsync("B1");
        await signals.MissedAsync();
        await one.SendAsync("last", "x", "together");
        await signals.ReachesAsync(1);
        await heard.ReachesAsync("together");

        Assert.That(heard.Payloads, Has.None.Contains("alone"));
        Assert.That(signals.Devices, Is.EqualTo(new[] { Host.Bob("together") }));
    }

    /// <summary>What is notified, as somebody else hears it.</summary>
    private sealed class HeardNotifications : IDisposable
    {
        private readonly NpgsqlConnection _connection;

        public HeardNotifications(string database)
        {
            _connection = new DatabaseView(database).Open();
            _connection.Notification += (_, notification) => Payloads.Add(notification.Payload);
            using var command = new NpgsqlCommand("LISTEN \"to_device to_device\"", _connection);
            command.ExecuteNonQuery();
        }

        public List<string> Payloads { get; } = [];

        public async Task ReachesAsync(string words)
        {
            using var limit = new CancellationTokenSource(TimeLimit.OfOneWait);
            while (!Payloads.Any(payload => payload.Contains(words, StringComparison.Ordinal))) await _connection.WaitAsync(limit.Token);
        }

        public void Dispose() => _connection.Dispose();
    }

    /// <summary>What a store tells the module.</summary>
    private sealed class HeardSignals : IInboxSignals
    {
        private readonly Lock _lock = new();
        private readonly List<DeviceAddress> _devices = [], _removed = [];
        private readonly TaskCompletionSource _missed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _timesMissed;

        public IReadOnlyList<DeviceAddress> Devices { get { lock (_lock) return [.. _devices]; } }
        public IReadOnlyList<DeviceAddress> Removed { get { lock (_lock) return [.. _removed]; } }

        public void Add(ISendToDeviceBuilder builder) => builder.Services.AddSingleton<IInboxSignals>(this);

        public Task MissedAsync() => _missed.Task.WaitAsync(TimeSpan.FromSeconds(60));

        public async Task ReachesAsync(int count)
        {
            while (true)
            {
                Task changed;
                lock (_lock)
                {
                    if (_devices.Count + _removed.Count >= count) return;
                    changed = _changed.Task;
                }

                await changed.WaitAsync(TimeSpan.FromSeconds(60));
            }
        }

        public void MessagesArrived(DeviceAddress device) => Note(_devices, device);

        public void DeviceRemoved(DeviceAddress device) => Note(_removed, device);

        public int TimesMissed => Volatile.Read(ref _timesMissed);

        public void Missed()
        {
            Interlocked.Increment(ref _timesMissed);
            _missed.TrySetResult();
        }

        private void Note(List<DeviceAddress> list, DeviceAddress device)
        {
            lock (_lock)
            {
                list.Add(device);
                _changed.SetResult();
                _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }
}
