using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Matrix.ToDevice.Tests;

public class PurgeTests
{
    private readonly TestTime _time = new();
    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private TestClient _bob = null!;

    private ITransactionStore Transactions => _server.Services.GetRequiredService<ITransactionStore>();

    [SetUp]
    public async Task StartAsync()
    {
        _server = await TestHomeserver.StartAsync(builder => builder.Services.AddSingleton<TimeProvider>(_time));
        _alice = _server.Login("@alice:hs1", "A1");
        _bob = _server.Login("@bob:hs1", "B1");
    }

    [TearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [Test]
    public async Task R48_D5_a_record_is_kept_for_its_retention_and_then_forgotten()
    {
        await _alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""");
        _time.Advance(TimeSpan.FromHours(23));
        Assert.That(await PurgeAsync(), Is.Zero);
        await _alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":2}""");
        Assert.That(await CountAsync(), Is.EqualTo(1));

        _time.Advance(TimeSpan.FromHours(25));
        Assert.That(await PurgeAsync(), Is.EqualTo(1));
        await _alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":3}""");
        Assert.That(await CountAsync(), Is.EqualTo(2));
    }

    [Test]
    public async Task D5_retention_is_measured_from_the_last_use()
    {
        await _alice.SendAsync("t1", "@bob:hs1", "B1");
        for (var use = 0; use < 3; use++)
        {
            _time.Advance(TimeSpan.FromHours(20));
            await _alice.SendAsync("t1", "@bob:hs1", "B1");
            await PurgeAsync();
        }

        Assert.That(await CountAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task D5_a_purge_forgets_no_more_than_it_is_told_and_the_oldest_first()
    {
        for (var n = 0; n < 5; n++)
        {
            await _alice.SendAsync($"t{n}", "@bob:hs1", "B1");
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        _time.Advance(TimeSpan.FromDays(2));
        Assert.That(await PurgeAsync(atMost: 2), Is.EqualTo(2));
        await _alice.SendAsync("t2", "@bob:hs1", "B1");
        Assert.That(await CountAsync(), Is.EqualTo(5), "t2 is still known");
        await _alice.SendAsync("t1", "@bob:hs1", "B1");
        Assert.That(await CountAsync(), Is.EqualTo(6), "t1 is not");
        Assert.That(await PurgeAsync(), Is.EqualTo(2), "t3 and t4 are due; t1 and t2 have been used");
    }

    [Test]
    public async Task D5_pending_messages_are_never_purged()
    {
        await _alice.SendAsync("t1", "@bob:hs1", "B1");
        _time.Advance(TimeSpan.FromDays(1000));
        await PurgeAsync();

        Assert.That(await CountAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task D5_D6_a_purge_that_forgets_an_old_removal_keeps_the_records_of_the_later_device()
    {
        await _server.LogoutAsync("@alice:hs1", "A1");
        _alice = _server.Login("@alice:hs1", "A1");
        _time.Advance(TimeSpan.FromHours(20));
        await _alice.SendAsync("t1", "@bob:hs1", "B1");
        _time.Advance(TimeSpan.FromHours(10));
        await PurgeAsync();

        await _alice.SendAsync("t1", "@bob:hs1", "B1");

        Assert.That(await CountAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task D5_the_module_purges_by_itself()
    {
        await using var server = await TestHomeserver.StartAsync(builder => builder.Services.Configure<SendToDeviceOptions>(options =>
        {
            options.TransactionRetention = TimeSpan.FromTicks(1);
            options.PurgeInterval = TimeSpan.FromMilliseconds(10);
        }));
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");

        // Sent again until it counts as new: until then, the record was there.
        var since = (await bob.SyncAsync()).NextBatch;
        for (var arrived = 0; arrived < 2;)
        {
            await TimeLimit.OneMoreTurnAsync();
            await alice.SendAsync("t1", "@bob:hs1", "B1");
            var sync = await bob.SyncAsync(since);
            since = sync.NextBatch;
            arrived += sync.Events.Count;
        }
    }

    /// <summary>The records of EDUs have a retention of their own.</summary>
    [Test]
    public async Task D15_the_module_forgets_a_message_id_when_its_own_time_is_over([Values] bool isOver)
    {
        await using var server = await TestHomeserver.StartAsync(builder => builder.Services.Configure<SendToDeviceOptions>(options =>
        {
            options.PurgeInterval = TimeSpan.FromMilliseconds(10);
            if (isOver) options.InboundRetention = TimeSpan.FromTicks(1);
            else options.TransactionRetention = TimeSpan.FromTicks(1);
        }));
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");
        await ReceiveAsync();
        await alice.SendAsync("t1", "@bob:hs1", "B1");

        var (edus, sends) = (1, 1);
        var since = (await bob.SyncAsync()).NextBatch;
        while (edus < 2 && sends < 2)
        {
            await TimeLimit.OneMoreTurnAsync();
            if (await ReceiveAsync() == ReceivedEdu.Delivered) edus++;
            await alice.SendAsync("t1", "@bob:hs1", "B1");
            var sync = await bob.SyncAsync(since);
            since = sync.NextBatch;
            sends += sync.Events.Count(message => message.Sender == "@alice:hs1");
        }

        Assert.That((edus, sends), Is.EqualTo(isOver ? (2, 1) : (1, 2)));

        ValueTask<ReceivedEdu> ReceiveAsync() => server.Services.GetRequiredService<FederationReceiver>().ReceiveAsync(
            "hs2",
            """{"sender":"@carol:hs2","type":"m.test","message_id":"m1","messages":{"@bob:hs1":{"B1":{}}}}"""u8.ToArray(),
            default);
    }

    [Test]
    public async Task The_purge_ends_without_an_error_when_a_server_is_disposed_that_was_not_stopped()
    {
        var time = new WatchedTime();
        var begun = time.NextTimerAsync(new SendToDeviceOptions().PurgeInterval);
        var server = await TestHomeserver.StartAsync(builder => builder.Services.AddSingleton<TimeProvider>(time));
        var running = server.Services.GetServices<IHostedService>().OfType<BackgroundService>().ToList();
        // What has not begun when the server goes never begins.
        await begun;

        await server.DisposeAsync();

        Assert.That(running, Is.Not.Empty);
        foreach (var service in running) Assert.That(async () => await service.ExecuteTask!, Throws.Nothing);
    }

    private async Task<int> CountAsync() => (await _bob.SyncAsync()).Events.Count;

    private async Task<int> PurgeAsync(int atMost = 100) =>
        await Transactions.PurgeAsync(TransactionKey.SendToDevice, _time.GetUtcNow() - TimeSpan.FromHours(24), atMost, default);
}
