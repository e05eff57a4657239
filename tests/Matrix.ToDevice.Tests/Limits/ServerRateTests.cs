using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice.Tests.Limits;

/// <summary>How much another server may send: what is beyond it comes again later, and nothing is lost.</summary>
public class ServerRateTests
{
    private readonly ManualTime _time = new();

    [Test]
    public async Task D14_D15_a_transaction_beyond_the_limit_is_refused_as_a_whole_and_delivered_when_it_comes_again()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(_time);
            builder.LimitRates(limits => limits.Servers = new RateLimit { Burst = 100, PerSecond = 1 });
        });
        var bob = server.Login("@bob:hs1", "B1");
        var receiver = server.Services.GetRequiredService<FederationReceiver>();
        Assert.That((await receiver.ReceiveTransactionAsync("hs2", Transaction(1, 60), default)).Delivered, Is.EqualTo(60));

        var refused = Assert.ThrowsAsync<ToDeviceErrorException>(async () => await receiver.ReceiveTransactionAsync("hs2", Transaction(61, 60), default))!;

        Assert.That((refused.Error.StatusCode, refused.Error.ErrorCode), Is.EqualTo((429, "M_LIMIT_EXCEEDED")));
        Assert.That(refused.Error.RetryAfter, Is.EqualTo(TimeSpan.FromSeconds(20)));
        Assert.That(() => receiver.ReceiveTransactionAsync("hs3", Transaction(1, 60), default).AsTask(), Throws.Nothing, "another server has its own");
        _time.Advance(TimeSpan.FromSeconds(20));
        Assert.That((await receiver.ReceiveTransactionAsync("hs2", Transaction(61, 60), default)).Delivered, Is.EqualTo(60));
        Assert.That(
            async () => await receiver.ReceiveAsync("hs2", """{"sender":"@a:hs2","type":"m.test","message_id":"x","messages":{}}"""u8.ToArray(), default),
            Throws.TypeOf<ToDeviceErrorException>(), "a single one counts too");

        var numbers = new List<string>();
        for (var since = (string?)null; ;)
        {
            var sync = await bob.SyncAsync(since);
            if (sync.Events.Count == 0) break;
            numbers.AddRange(sync.Events.Where(message => message.Sender == "@a:hs2").Select(message => message.Content));
            since = sync.NextBatch;
        }

        Assert.That(numbers, Is.EqualTo(Enumerable.Range(1, 120).Select(n => $$"""{"n":{{n}}}""")));
    }

    [Test]
    public async Task The_slowest_rate_tells_a_time_too()
    {
        await using var server = await TestHomeserver.StartAsync(builder => builder.LimitRates(limits => limits.Servers = new RateLimit { Burst = 100, PerSecond = 1e-9 }));
        var receiver = server.Services.GetRequiredService<FederationReceiver>();
        await receiver.ReceiveTransactionAsync("hs2", Transaction(1, 100), default);

        var refused = Assert.ThrowsAsync<ToDeviceErrorException>(async () => await receiver.ReceiveTransactionAsync("hs2", Transaction(101, 100), default))!;

        Assert.That(refused.Error.RetryAfter, Is.GreaterThan(TimeSpan.FromDays(365 * 1000)));
    }

    [Test]
    public async Task EDUs_of_other_types_cost_nothing()
    {
        await using var server = await TestHomeserver.StartAsync(builder => builder.LimitRates(limits => limits.Servers = new RateLimit { Burst = 100, PerSecond = 0.001 }));
        var receiver = server.Services.GetRequiredService<FederationReceiver>();
        var others = Encoding.UTF8.GetBytes($$"""{"edus":[{{string.Join(',', Enumerable.Repeat("""{"edu_type":"m.typing","content":{}}""", 100))}}]}""");

        for (var n = 0; n < 5; n++)
            Assert.That(async () => await receiver.ReceiveTransactionAsync("hs2", others, default), Throws.Nothing);
    }

    /// <summary>Device lists beside messages: a host that takes both has them in their order, or nothing of it.</summary>
    [Test]
    public async Task D14_R89_what_the_host_takes_itself_comes_in_its_turn_and_not_of_a_transaction_that_is_refused()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(_time);
            builder.LimitRates(limits => limits.Servers = new RateLimit { Burst = 100, PerSecond = 1 });
        });
        var bob = server.Login("@bob:hs1", "B1");
        var receiver = server.Services.GetRequiredService<FederationReceiver>();
        var (seen, got) = (new List<string>(), 0);
        var mixed = InboundTransaction.Read(Encoding.UTF8.GetBytes($$"""{"edus":[{{Edu(1)}},{"edu_type":"m.a","content":{} },{{Edu(2)}},{"edu_type":"m.b"}]}"""));
        await receiver.ReceiveTransactionAsync("hs2", Transaction(100, 99), default);

        Assert.That(async () => await receiver.ReceiveTransactionAsync("hs2", mixed, ReceiveOtherAsync, default), Throws.TypeOf<ToDeviceErrorException>());
        Assert.That(seen, Is.Empty);
        _time.Advance(TimeSpan.FromSeconds(1));
        var received = await receiver.ReceiveTransactionAsync("hs2", mixed, ReceiveOtherAsync, default);

        Assert.That(received, Is.EqualTo(new ReceivedTransaction(2, 0, 0)));
        Assert.That(seen, Is.EqualTo(new[] { "m.a after 100", "m.b after 101" }));

        async ValueTask ReceiveOtherAsync(InboundEdu edu, CancellationToken cancellationToken)
        {
            for (var sync = await bob.SyncAsync(); sync.Events.Count > 0; sync = await bob.SyncAsync(sync.NextBatch)) got += sync.Events.Count;
            seen.Add($"{edu.EduType} after {got}");
        }
    }

    [Test]
    public void A_limit_that_would_keep_a_full_transaction_out_for_ever_is_refused_at_start()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Services.AddSendToDevice().UseInMemory().LimitRates(limits => limits.Servers = new RateLimit { Burst = 99, PerSecond = 1 });
        using var app = (IDisposable)builder.Build();

        Assert.That(
            () => ((WebApplication)app).Services.GetRequiredService<IOptions<SendToDeviceOptions>>().Value,
            Throws.TypeOf<OptionsValidationException>().With.Message.Contains("SendToDeviceOptions.RateLimits.Servers.Burst is 99; it must be at least 100"));
    }

    private static byte[] Transaction(int first, int count) => Encoding.UTF8.GetBytes($$"""{"edus":[{{string.Join(',', Enumerable.Range(first, count).Select(Edu))}}]}""");

    private static string Edu(int n) =>
        $$"""{"edu_type":"m.direct_to_device","content":{"sender":"@a:hs2","type":"m.test","message_id":"m{{n}}","messages":{"@bob:hs1":{"B1":{"n":{{n}} } } } } }""";
}
