using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>What operators ask of a database that several hosts share, and what these do with it now and then.</summary>
public class UpkeepTests : TwoHostsTests
{
    private static readonly TimeSpan s_hour = TimeSpan.FromHours(1);

    private static DateTimeOffset Later => TimeProvider.System.GetUtcNow() + s_hour;

    [SetUp]
    public async Task MakeTablesAsync() => await One.ReadAsync("nobody");

    /// <summary>More devices than are looked at in one statement; and one that comes in where the look has been already.</summary>
    [Test]
    public async Task Expiry_goes_on_where_it_has_ended_and_comes_to_what_it_has_passed()
    {
        Fill(1, 2500, 1);
        Assert.That(await One.Upkeep.ExpireAsync(Later, 1200, default), Is.EqualTo(1200));
        Fill(0, 0, 3);
        Assert.That(await One.Upkeep.ExpireAsync(Later, 1200, default), Is.EqualTo(1200));
        Assert.That(await One.Upkeep.ExpireAsync(Later, 1200, default), Is.EqualTo(100 + 3));
        Assert.That(await One.Upkeep.ExpireAsync(Later, 1200, default), Is.Zero);
        Assert.That(View.Count("SELECT count(*) FROM to_device.to_device_message"), Is.Zero);
    }

    [Test]
    public async Task D12_hosts_that_expire_beside_sends_of_others_meet_no_deadlock_and_no_number_comes_twice()
    {
        Fill(1, 50, 40);
        var devices = Enumerable.Range(1, 50).Select(n => $"D{n:0000}").ToList();
        var expired = 0;
        await Task.WhenAll(
            ExpireAsync(One), ExpireAsync(Two),
            SendAsync(One, "a", devices), SendAsync(Two, "b", Enumerable.Reverse(devices)));

        Assert.That(expired, Is.EqualTo(50 * 40));
        foreach (var device in devices) Assert.That(await One.ReadAsync(device), Has.Count.EqualTo(20));
        Assert.That(View.Count("SELECT count(*) FROM to_device.to_device_device WHERE device_id LIKE 'D%' AND (last_sequence, acknowledged) <> (60, 40)"), Is.Zero);
        Assert.That(View.Count("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"), Is.Zero);

        Task ExpireAsync(Host host) => Task.Run(async () =>
        {
            // Up to before the sends of this test.
            for (int last; (last = await host.Upkeep.ExpireAsync(TimeProvider.System.GetUtcNow() - s_hour, 33, default)) > 0;) Interlocked.Add(ref expired, last);
        });

        static Task SendAsync(Host host, string name, IEnumerable<string> devices) => Task.Run(async () =>
        {
            for (var n = 0; n < 10; n++) await host.SendAsync($"{name}{n}", "new", devices, sender: name);
        });
    }

    /// <summary>Of hosts whose clocks differ by a day.</summary>
    [Test]
    public async Task Ages_and_tasks_go_by_the_clock_of_the_database()
    {
        var time = new OtherTime();
        await using var ahead = new Host(Database, services: builder => builder.Services.AddSingleton<TimeProvider>(time));
        await ahead.SendAsync("t1", "1", "B1");
        using var page = await One.Inbox.ReadAsync(Host.Bob("B1"), InboxPosition.Start, 10, int.MaxValue, default);
        Assert.That(page.Messages.Single().CommittedAt, Is.EqualTo(TimeProvider.System.GetUtcNow()).Within(s_hour));

        Assert.That(await One.Upkeep.TryTakeAsync("purge", s_hour, default), Is.True);
        Assert.That(await ahead.Upkeep.TryTakeAsync("purge", s_hour, default), Is.False);
        View.Execute("UPDATE to_device.to_device_upkeep SET taken_at = now() + interval '2 hours'");
        Assert.That(await Two.Upkeep.TryTakeAsync("purge", s_hour, default), Is.True, "a failover has set the clock back");
    }

    /// <summary>However long they are.</summary>
    [Test]
    public void Inboxes_are_measured_by_the_index_and_without_their_messages()
    {
        Fill(1, 1000, 1);
        Fill(2001, 2001, 20_000);
        foreach (var table in (string[])["device", "message"]) View.Execute($"ANALYZE to_device.to_device_{table}");
        const string These = "SELECT * FROM to_device.to_device_measure('{@bob:hs1,@bob:hs1}', '{D0001,D2001}', 1000, 1000000)";

        Assert.That(StatementPlans.Buffers(View, "auto", "SELECT * FROM to_device.to_device_measure_inboxes('', '', 10000)", 1), Is.LessThan(1001 * 10));
        Assert.That(StatementPlans.Buffers(View, "auto", "SELECT * FROM to_device.to_device_due('', '', 1000, now() - interval '1 year')", 1), Is.LessThan(1001 * 10));
        Assert.That(StatementPlans.Buffers(View, "auto", These, 2), Is.LessThan(60));
        // A bound of bytes ends the count.
        Assert.That(StatementPlans.Buffers(View, "auto", These.Replace("1000, 1000000", "1000000, 1000", StringComparison.Ordinal), 2), Is.LessThan(2000));
    }

    /// <summary>What can be read only: a disk that is full, a right that is missing.</summary>
    [Test]
    public async Task A_database_that_cannot_be_written_is_not_well()
    {
        Assert.That(await One.Upkeep.CheckAsync(default), Is.Null);
        View.Execute("ALTER TABLE to_device.to_device_upkeep ADD CHECK (task <> 'check') NOT VALID");
        Assert.That(async () => await One.Upkeep.CheckAsync(default), Throws.TypeOf<PostgreSqlStoreException>());
        View.Execute("ALTER TABLE to_device.to_device_upkeep RENAME TO gone");
        Assert.That(async () => await One.Upkeep.CheckAsync(default), Throws.TypeOf<PostgreSqlStoreException>().With.Message.Contains("tables are missing"));
    }

    /// <summary>Devices that have had old messages waiting for a day.</summary>
    private void Fill(int first, int last, int messages) => View.Execute(FormattableString.Invariant($"""
        INSERT INTO to_device.to_device_device (user_id, device_id, last_sequence)
        SELECT '@bob:hs1', 'D' || lpad(n::text, 4, '0'), {messages} FROM generate_series({first}, {last}) n;
        INSERT INTO to_device.to_device_message (user_id, device_id, sequence, send_id, sender, event_type, content, committed_at)
        SELECT '@bob:hs1', 'D' || lpad(n::text, 4, '0'), m, m, '@alice:hs1', 'm.test', 'old', now() - interval '1 day'
        FROM generate_series({first}, {last}) n, generate_series(1, {messages}) m
        """));

    private sealed class OtherTime : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + TimeSpan.FromDays(1);
    }
}
