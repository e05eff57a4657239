using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>Hosts that share a store: each destination has one sender, and another one goes on where it ended (R84, D16).</summary>
public class SeveralHostsTests : SenderTests
{
    [Test]
    public async Task R84_D16_a_host_that_starts_after_another_was_stopped_repeats_its_transaction_as_it_was()
    {
        await SendAsync(1, 2);
        var first = await Peers.NextAsync();
        await SendAsync(3, 3);
        await using var other = await StartHostOnAsync(Store(Server));
        Assert.That(TestTransport.Of(other).HasNext(), Is.False, "somebody sends to hs2");

        await Server.DisposeAsync();

        Assert.That(first.Cancelled.IsCancellationRequested, Is.True);
        var again = await TestTransport.Of(other).NextAsync();
        Assert.That(again.Id, Is.EqualTo(first.Id));
        Assert.That(again.MessageIds, Is.EqualTo(first.MessageIds));
        again.Received();
        var rest = await TestTransport.Of(other).NextAsync();
        Assert.That(again.Numbers.Concat(rest.Numbers), Is.EqualTo(new[] { 1, 2, 3 }));
    }

    [Test]
    public async Task D16_what_one_host_sends_wakes_another_ones_sender_by_its_own_look()
    {
        await using var other = await StartHostOnAsync(Store(Server));
        List<int> numbers = [];
        await SendAsync(1, 50);

        while (numbers.Count < 50)
        {
            foreach (var peers in (TestTransport[])[Peers, TestTransport.Of(other)])
            {
                if (!peers.HasNext()) continue;
                var transaction = await peers.NextAsync();
                numbers.AddRange(transaction.Numbers);
                transaction.Received();
            }

            await TimeLimit.OneMoreTurnAsync();
        }

        Assert.That(numbers, Is.EqualTo(Enumerable.Range(1, 50)), "each once, and in order, whoever sent it");
    }

    [Test]
    public async Task D16_a_host_that_gives_no_sign_of_life_is_replaced_and_its_transaction_repeated()
    {
        var time = new TestTime();
        await using var server = await TestHomeserver.StartAsync(builder => builder.Services.AddSingleton<TimeProvider>(time));
        var alice = server.Login("@alice:hs1", "A1");
        for (var n = 1; n <= 3; n++) await alice.SendAsync($"t{n}", "@carol:hs2", "C1", $$"""{"n":{{n}}}""");
        var outbox = server.Services.GetRequiredService<IFederationOutbox>();
        var waiting = await outbox.ReadAsync("hs2", 10);
        await outbox.AcquireAsync("a host that dies", TimeSpan.FromSeconds(10), 1);
        await outbox.RenewAsync("hs2", "a host that dies", TimeSpan.FromSeconds(10), waiting[1].Position, default);
        await using var other = await StartHostOnAsync(Store(server));

        time.Advance(TimeSpan.FromSeconds(10));

        var transaction = await TestTransport.Of(other).NextAsync();
        Assert.That(transaction.Numbers, Is.EqualTo(new[] { 1, 2 }));
    }

    [Test]
    public async Task R84_a_host_with_a_smaller_MaxEdus_repeats_a_transaction_as_it_was()
    {
        await SendTogetherAsync(1, 50);
        var first = await Peers.NextAsync();
        Assert.That(first.Sent.Edus, Has.Count.EqualTo(50));
        await SendAsync(51, 62);
        await using var other = await StartHostOnAsync(Store(Server), options => options.MaxEdus = 5);

        await Server.DisposeAsync();

        var again = await TestTransport.Of(other).NextAsync();
        Assert.That(again.Id, Is.EqualTo(first.Id));
        Assert.That(again.MessageIds, Is.EqualTo(first.MessageIds));
        again.Received();
        var next = await TestTransport.Of(other).NextAsync();
        Assert.That(next.Numbers, Is.EqualTo(Enumerable.Range(51, 5)), "what is new has the size that it has here");
    }

    [Test]
    public async Task R84_what_is_tried_behind_a_refused_EDU_is_no_part_of_the_transaction_that_another_host_repeats()
    {
        await SendAsync(1, 1);
        var first = await Peers.NextAsync();
        await SendAsync(2, 3);
        first.Refused();
        Assert.That((await Peers.NextAsync()).Numbers, Is.EqualTo(new[] { 2 }), "the one behind it, alone");
        await using var other = await StartHostOnAsync(Store(Server));

        await Server.DisposeAsync();

        var again = await TestTransport.Of(other).NextAsync();
        Assert.That((again.Id, again.Numbers), Is.EqualTo((first.Id, first.Numbers)));
    }

    [Test]
    public async Task R84_a_host_that_has_lost_its_lease_and_taken_it_again_sends_one_transaction_at_a_time()
    {
        var time = new TestTime();
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(time);
            TestTransport.Add(builder);
            HookedOutbox.Add(builder);
        });
        await server.Login("@alice:hs1", "A1").SendAsync("t1", "@carol:hs2", "C1");
        var transaction = await TestTransport.Of(server).NextAsync();
        var (looks, reads) = (0, 0);
        server.Services.GetRequiredService<HookedOutbox>().Before = method =>
        {
            if (method == nameof(IFederationOutbox.AcquireAsync)) Interlocked.Increment(ref looks);
            if (method == nameof(IFederationOutbox.ReadAsync)) Interlocked.Increment(ref reads);
        };

        // To the store its time has run out; the host, which looks every few milliseconds, takes what it has already.
        for (var n = 1; n <= 10; n++)
        {
            time.Advance(TimeSpan.FromHours(1));
            var before = Volatile.Read(ref looks);
            while (Volatile.Read(ref looks) < before + 2) await TimeLimit.OneMoreTurnAsync();
        }

        Assert.That(Volatile.Read(ref reads), Is.Zero, "it sends still, and reads nothing before it has its answer");
        Assert.That(TestTransport.Of(server).HasNext(), Is.False);
        transaction.Received();
    }

    [Test]
    public async Task R90_a_transaction_of_a_host_that_died_is_split_when_it_is_refused()
    {
        await using var server = await TestHomeserver.StartAsync();
        var alice = server.Login("@alice:hs1", "A1");
        for (var n = 1; n <= 3; n++) await alice.SendAsync($"t{n}", "@carol:hs2", "C1", $$"""{"n":{{n}}}""");
        var outbox = server.Services.GetRequiredService<IFederationOutbox>();
        await outbox.AcquireAsync("a host that dies", TimeSpan.Zero, 1);
        await outbox.RenewAsync("hs2", "a host that dies", TimeSpan.Zero, (await outbox.ReadAsync("hs2", 3))[2].Position, default);
        await using var other = await StartHostOnAsync(Store(server));
        var peers = TestTransport.Of(other);

        var whole = await peers.NextAsync();
        whole.Refused();
        var half = await peers.NextAsync();

        Assert.That(whole.Numbers, Is.EqualTo(new[] { 1, 2, 3 }));
        Assert.That(half.Numbers, Is.EqualTo(new[] { 1 }));
        Assert.That(half.Id, Is.Not.EqualTo(whole.Id), "other EDUs are another transaction");
    }

    [Test]
    public async Task D16_a_host_that_has_lost_its_destination_to_another_stops_sending()
    {
        var time = new TestTime();
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(time);
            TestTransport.Add(builder, options => options.LeaseDuration = TimeSpan.FromMilliseconds(30));
        });
        await server.Login("@alice:hs1", "A1").SendAsync("t1", "@carol:hs2", "C1");
        var transaction = await TestTransport.Of(server).NextAsync();
        var outbox = server.Services.GetRequiredService<IFederationOutbox>();

        // The clock jumps: the host has missed the time at which it would have renewed.
        do time.Advance(TimeSpan.FromSeconds(1));
        while ((await outbox.AcquireAsync("another host", TimeSpan.FromMilliseconds(30), 1)).Count == 0);

        while (!transaction.Cancelled.IsCancellationRequested) await TimeLimit.OneMoreTurnAsync();
        Assert.That((await outbox.ReadAsync("hs2", 10)), Has.Count.EqualTo(1));
        await outbox.ReleaseAsync("hs2", "another host", 0, TimeSpan.Zero, default);
        Assert.That((await TestTransport.Of(server).NextAsync()).Id, Is.EqualTo(transaction.Id));
    }

    [Test]
    public async Task D16_a_host_whose_time_ran_out_before_it_could_send_does_not_send()
    {
        var (log, time) = (new CapturedLog(), new TestTime());
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            log.AddTo(builder, LogLevel.Information);
            builder.Services.AddSingleton<TimeProvider>(time);
            TestTransport.Add(builder);
            HookedOutbox.Add(builder);
        });
        var outbox = server.Services.GetRequiredService<HookedOutbox>();
        var taken = false;
        outbox.Before = method =>
        {
            if (method != nameof(outbox.ReadAsync) || taken) return;
            taken = true;
            time.Advance(TimeSpan.FromHours(1));
            ((IFederationOutbox)Store(server)).AcquireAsync("another host", TimeSpan.FromSeconds(10), 1).AsTask().Wait();
        };

        await server.Login("@alice:hs1", "A1").SendAsync("t1", "@carol:hs2", "C1");

        while (!log.Entries.Any(entry => entry.Id.Id == 18)) await TimeLimit.OneMoreTurnAsync();
        Assert.That(TestTransport.Of(server).HasNext(), Is.False);
    }

    private static ITransactionStore Store(TestHomeserver server) => server.Services.GetRequiredService<ITransactionStore>();

    /// <summary>A host on the store of another one.</summary>
    private static Task<TestHomeserver> StartHostOnAsync(
        ITransactionStore store, Action<FederationSenderOptions>? configure = null) => TestHomeserver.StartAsync(builder =>
    {
        builder.Services.Replace(ServiceDescriptor.Singleton(store));
        builder.Services.Replace(ServiceDescriptor.Singleton((IDeviceInbox)store));
        builder.Services.Replace(ServiceDescriptor.Singleton((IFederationOutbox)store));
        TestTransport.Add(builder, configure);
    });
}
