using System.Text;
using System.Threading.RateLimiting;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests.Limits;

/// <summary>What comes again takes from the limit of its recipient what it takes once: only what is delivered does.</summary>
public class RateRetryTests
{
    private const string ForBob = """{"@bob:hs1":{"B1":{}}}""";

    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private TestClient _bob = null!;
    private int _failing;

    private HookedStore Store => _server.Services.GetRequiredService<HookedStore>();

    [TearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [Test]
    public async Task D15_an_EDU_that_comes_again_because_the_store_had_failed_is_not_dropped()
    {
        await StartAsync(1);
        _failing = 3;
        for (var n = 0; n < 3; n++) Assert.That(async () => await ReceiveAsync("m1"), Throws.TypeOf<IOException>());

        Assert.That(await ReceiveAsync("m1"), Is.EqualTo(ReceivedEdu.Delivered));

        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    /// <summary>The store fails in the middle of a transaction: its origin repeats all of it.</summary>
    [Test]
    public async Task D15_EDUs_that_come_again_beside_one_that_failed_take_nothing_from_it()
    {
        await StartAsync(2);
        Assert.That(await ReceiveAsync("m1"), Is.EqualTo(ReceivedEdu.Delivered));
        _failing = 1;
        Assert.That(async () => await ReceiveAsync("m2"), Throws.TypeOf<IOException>());

        Assert.That(await ReceiveAsync("m1"), Is.EqualTo(ReceivedEdu.Duplicate));
        Assert.That(await ReceiveAsync("m2"), Is.EqualTo(ReceivedEdu.Delivered));

        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(2));
        await ReceiveAsync("m3");
        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(2), "it is a limit all the same");
    }

    [Test]
    public async Task D14_a_send_that_was_503_or_comes_again_takes_nothing()
    {
        await StartAsync(2);
        _failing = 3;
        for (var n = 0; n < 3; n++) (await _alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBe(503, "M_UNKNOWN");
        for (var n = 0; n < 3; n++) (await _alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        (await _alice.SendAsync("t2", "@bob:hs1", "B1")).ShouldBeAccepted();
        (await _alice.SendAsync("t3", "@bob:hs1", "B1")).ShouldBe(429, "M_LIMIT_EXCEEDED");
    }

    [Test]
    public async Task D14_a_send_that_another_limit_refuses_takes_nothing()
    {
        await StartAsync(1, builder => builder.Services.Configure<SendToDeviceOptions>(options => options.Quota.MaxMessages = 1));
        var carol = _server.Login("@carol:hs1", "C1");
        (await carol.SendAsync("t", "@carol:hs1", "C1")).ShouldBeAccepted();
        const string Both = """{"messages":{"@bob:hs1":{"B1":{}},"@carol:hs1":{"C1":{}}}}""";
        for (var n = 0; n < 3; n++) (await _alice.PutAsync("m.test", "t1", Both)).ShouldBe(429, "M_LIMIT_EXCEEDED");
        await carol.SyncAsync((await carol.SyncAsync()).NextBatch);

        (await _alice.PutAsync("m.test", "t1", Both)).ShouldBeAccepted();
    }

    [Test]
    public async Task What_a_limiter_of_the_host_gives_is_held_until_the_send_is_done()
    {
        using var limiter = PartitionedRateLimiter.Create<SenderToRecipient, SenderToRecipient>(pair =>
            RateLimitPartition.GetConcurrencyLimiter(pair, _ => new() { PermitLimit = 1 }));
        await StartAsync(100, builder => builder.LimitRates(senders: null, recipients: limiter));
        var meanwhile = new List<int>();
        Store.BeforeCommit = async () =>
        {
            Store.BeforeCommit = () => Task.CompletedTask;
            meanwhile.Add((await _alice.SendAsync("t2", "@bob:hs1", "B1")).Status);
            meanwhile.Add((await _alice.SendAsync("t3", "@alice:hs1", "A1")).Status);
        };

        (await _alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That(meanwhile, Is.EqualTo(new[] { 429, 200 }));
        (await _alice.SendAsync("t2", "@bob:hs1", "B1")).ShouldBeAccepted();
    }

    private async Task StartAsync(int burst, Action<ISendToDeviceBuilder>? configure = null)
    {
        _failing = 0;
        _server = await TestHomeserver.StartAsync(builder =>
        {
            HookedStore.Add(builder);
            builder.Services.AddSingleton<TimeProvider>(new ManualTime());
            builder.LimitRates(limits => limits.Recipients = new RateLimit { Burst = burst, PerSecond = 0.001 });
            configure?.Invoke(builder);
        });
        _alice = _server.Login("@alice:hs1", "A1");
        _bob = _server.Login("@bob:hs1", "B1");
        Store.BeforeCommit = () => Interlocked.Decrement(ref _failing) >= 0 ? throw new IOException("The database has gone.") : Task.CompletedTask;
    }

    private ValueTask<ReceivedEdu> ReceiveAsync(string id) => _server.Services.GetRequiredService<FederationReceiver>().ReceiveAsync(
        "hs2", Encoding.UTF8.GetBytes($$"""{"sender":"@dan:hs2","type":"m.test","message_id":"{{id}}","messages":{{ForBob}}}"""), default);
}
