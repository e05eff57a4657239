using System.Text;

namespace Matrix.ToDevice.Tests;

/// <summary>What a request costs that can be counted: ways to the database and back, bytes of memory, pages of the database.</summary>
public class CommitCostTests
{
    private const int Many = 50_000;

    // To 50 of so many devices.
    private const string Commit = """
        SELECT to_device.to_device_commit(
            now(), (SELECT array_agg('@u' || n * 1000 ORDER BY ('@u' || n * 1000) COLLATE "C") FROM generate_series(1, 50) n), array_fill('D'::text, ARRAY[50]),
            array_fill(1::bigint, ARRAY[50]), array_fill(0::bigint, ARRAY[50]), '{1}', ARRAY[gen_random_uuid()], '{1}', '{}', '{}', '{}',
            '{}', '{}', '{}', '{}', '{}', '', '{}', '{}', '{}', '{}', '{}', '{}')
        """;

    private static readonly DeviceAddress s_bob = Host.Bob("B1");

    private string _database = null!;
    private TestProxy _proxy = null!;
    private Host _host = null!;

    [SetUp]
    public async Task SetUpAsync()
    {
        _database = TestCluster.NewDatabase();
        _proxy = new TestProxy(TestCluster.Cluster.Port);
        _host = new Host($"{_database};Port={_proxy.Port}", options => options.Notifications = false);
        // Statements are made ready at their first use.
        for (var n = 0; n < 3; n++)
        {
            await _host.SendAsync("first", "1", "B1");
            await _host.ReadAsync("B1");
            await _host.Inbox.AcknowledgeAsync(s_bob, new InboxPosition(1, 1), default);
            (await _host.Inbox.ReadAsync(s_bob, InboxPosition.Start, 10, 1, default)).Dispose();
        }
    }

    [TearDown]
    public async Task TearDownAsync()
    {
        await _host.DisposeAsync();
        _proxy.Dispose();
    }

    [Test]
    public async Task A_send_is_one_round_trip_to_however_many_devices_whether_they_are_new_or_not()
    {
        Assert.That(await RoundTripsAsync(() => _host.SendAsync("t1", "1", "B1")), Is.EqualTo(1), "a device that is known");
        Assert.That(await RoundTripsAsync(() => _host.SendAsync("t2", "2", "New")), Is.EqualTo(1), "a device that is new");
        Assert.That(await RoundTripsAsync(() => _host.SendAsync("t3", "3", Devices(250))), Is.EqualTo(1), "250 devices, most of them new");
        Assert.That(await RoundTripsAsync(() => _host.SendAsync("t1", "1", "B1")), Is.EqualTo(3), "a retry: the commit, its record, the removals");
    }

    [Test]
    public async Task A_page_is_one_round_trip_and_so_is_an_acknowledgement()
    {
        await _host.SendAsync("t1", "1", Enumerable.Repeat("B1", 100));
        InboxPage page = InboxPage.Empty;
        Assert.That(await RoundTripsAsync(async () => page = await _host.Inbox.ReadAsync(s_bob, InboxPosition.Start, 100, 1 << 20, default)), Is.EqualTo(1));
        Assert.That(await RoundTripsAsync(async () => await _host.Inbox.AcknowledgeAsync(s_bob, page.Messages[^1].Position, default)), Is.EqualTo(1));
        Assert.That(await RoundTripsAsync(async () => await _host.Inbox.AcknowledgeAsync(s_bob, page.Messages[^1].Position, default)), Is.EqualTo(1), "again");
        Assert.That(
            await RoundTripsAsync(async () => await _host.Inbox.ReadAsync(s_bob, page.Messages[^1].Position, 100, 1 << 20, default)), Is.EqualTo(1), "an empty page");
        page.Dispose();
    }

    [Test]
    public async Task To_measure_the_inboxes_of_a_send_is_one_round_trip_and_so_is_each_question_about_it()
    {
        await _host.SendAsync("t1", "1", Devices(250));
        List<DeviceAddress> devices = Devices(300).ConvertAll(Host.Bob);
        for (var warm = 0; warm < 2; warm++)
        {
            var round = await RoundTripsAsync(async () => Assert.That(
                (await _host.Upkeep.MeasureAsync(devices, new InboxSize(100, 100), default)).Sum(size => size.Messages), Is.EqualTo(250)));
            if (warm > 0) Assert.That(round, Is.EqualTo(1));
            round = await RoundTripsAsync(async () => Assert.That(
                await _host.Upkeep.IsCommittedAsync(new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", "t1"), default), Is.True));
            if (warm > 0) Assert.That(round, Is.EqualTo(1));
            round = await RoundTripsAsync(() => _host.Upkeep.TryTakeAsync("purge", TimeSpan.FromHours(1), default).AsTask());
            if (warm > 0) Assert.That(round, Is.EqualTo(1));
        }
    }

    [Test]
    public async Task A_message_costs_the_commit_no_memory_of_its_own_and_a_send_a_few_kilobytes()
    {
        // Not by way of the proxy, which remembers what it hears.
        await using var host = new Host(_database, options => options.Notifications = false);
        var one = await AllocatedAsync(host, 1);
        var many = await AllocatedAsync(host, 1001);
        TestContext.Out.WriteLine($"{one:N0} bytes for a send to one device, {many:N0} for one to 1001");
        // What runs beside is counted too. An object for each message would be 24 bytes at least.
        Assert.That((many - one) / 1000, Is.LessThan(12), "for each message");
        Assert.That(one, Is.LessThan(8_000));
    }

    /// <summary>However many devices there are, and whether the database has counted them or not.</summary>
    [Test]
    public void D12_a_commit_looks_its_devices_up_by_the_index([Values] bool isAnalyzed)
    {
        var view = new DatabaseView(_database);
        AddDevices(view, 1, Many);
        if (isAnalyzed) view.Execute("ANALYZE to_device.to_device_device");

        Assert.That(StatementPlans.Buffers(view, "auto", Commit, 1), Is.LessThan(500));
    }

    /// <summary>A session plans a function once. By then, the database had counted a few devices.</summary>
    [Test]
    public void D12_a_commit_that_was_planned_for_few_devices_looks_many_up_by_the_index([Values(1, 3)] int few)
    {
        var view = new DatabaseView(_database);
        view.Execute("TRUNCATE to_device.to_device_device");
        AddDevices(view, 1, few);
        view.Execute("ANALYZE to_device.to_device_device");

        Assert.That(StatementPlans.Buffers(view, "auto", Commit, 1, () => AddDevices(view, few + 1, Many)), Is.LessThan(50 * 15));
    }

    private async Task<long> RoundTripsAsync(Func<Task> work)
    {
        var before = _proxy.RoundTrips;
        await work();
        return _proxy.RoundTrips - before;
    }

    /// <summary>What a send takes, in the round with the least beside it.</summary>
    private static async Task<long> AllocatedAsync(Host host, int targets)
    {
        var content = Encoding.UTF8.GetBytes("content");
        var messages = Devices(targets).Select(device => new ToDeviceMessage(Host.Bob(device), "@alice:hs1", "m.test", content, 1)).ToList();
        var least = long.MaxValue;
        for (var round = 0; round < 30; round++)
        {
            var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", $"{targets}:{round}");
            var before = GC.GetTotalAllocatedBytes(precise: true);
            await using (var transaction = (await host.Transactions.BeginAsync(key, host.Transactions.KnownRemovals, default))!)
            {
                await host.Inbox.AppendAsync(transaction, messages, default);
                await transaction.CommitAsync(default);
            }

            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        return least;
    }

    private static void AddDevices(DatabaseView view, int first, int last) => view.Execute(FormattableString.Invariant($"""
        INSERT INTO to_device.to_device_device (user_id, device_id, last_sequence) SELECT '@u' || n, 'D', 0 FROM generate_series({first}, {last}) n
        """));

    private static List<string> Devices(int count) => [.. Enumerable.Range(0, count).Select(n => $"D{n}")];
}
