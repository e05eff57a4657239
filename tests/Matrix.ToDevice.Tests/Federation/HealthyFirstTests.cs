using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>Servers that fail, or do not answer, keep others from nothing (D22).</summary>
public class HealthyFirstTests
{
    private static readonly TimeSpan s_slowAfter = TimeSpan.FromSeconds(5), s_sendTimeout = TimeSpan.FromSeconds(60);

    private ManualTime _time = null!;
    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private int _sends;

    private TestTransport Peers => TestTransport.Of(_server);

    [TearDown]
    public ValueTask StopAsync() => _server.DisposeAsync();

    [Test]
    public async Task D22_mail_for_healthy_servers_is_sent_while_more_servers_hang_than_there_are_places()
    {
        await StartAsync(places: 4, forFailing: 2);
        string[] dead = [.. Enumerable.Range(1, 10).Select(n => $"dead{n}")];
        foreach (var server in dead) await SendAsync(server);
        // Until each has had a try; and then those that hang in the last places have failed too.
        foreach (var server in dead) await ComesAsync(server);
        _time.Advance(s_slowAfter);

        // From here on the clock stands still: nobody waits for the dead ones. One that nobody has heard of has a place for such.
        foreach (var server in (string[])["hs2", "hs3"])
        {
            await SendAsync(server);
            (await Peers.NextAsync(server)).Received();
        }

        for (var n = 1; n <= 5; n++)
        {
            await SendAsync("hs2");
            await SendAsync("hs3");
            var transactions = (await Peers.NextAsync("hs2"), await Peers.NextAsync("hs3"));
            transactions.Item1.Received();
            transactions.Item2.Received();
        }
    }

    [Test]
    public async Task D22_a_slow_server_has_its_whole_time_when_there_is_a_place_for_it()
    {
        await StartAsync(places: 2, forFailing: 1);
        await SendAsync("hs2");
        var transaction = await Peers.NextAsync("hs2");

        _time.Advance(s_sendTimeout - TimeSpan.FromTicks(1));
        Assert.That(transaction.Cancelled.IsCancellationRequested, Is.False);
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.That(transaction.Cancelled.IsCancellationRequested, Is.True);
    }

    [Test]
    public async Task D22_of_two_slow_servers_one_waits_for_the_others_place_and_gets_it_when_that_one_has_answered()
    {
        await StartAsync(places: 3, forFailing: 1);
        await SendAsync("hs2");
        await SendAsync("hs3");
        var transactions = new Dictionary<string, TestTransport.Transaction>
        {
            ["hs2"] = await Peers.NextAsync("hs2"),
            ["hs3"] = await Peers.NextAsync("hs3"),
        };

        _time.Advance(s_slowAfter);
        var ended = transactions.Single(one => one.Value.Cancelled.IsCancellationRequested).Key;
        var slow = transactions.Single(one => one.Key != ended).Key;
        await SendAsync("hs4");
        (await Peers.NextAsync("hs4")).Received();

        // More than its pause, for longer than anybody polls: there is no place for it.
        for (var n = 1; n <= 10; n++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await SendAsync("hs4");
            (await Peers.NextAsync("hs4")).Received();
        }

        Assert.That(Peers.HasNext(ended), Is.False);

        // It answers at last, and is sent to at once again: no longer from one of the places for those that fail.
        await SendAsync(slow);
        transactions[slow].Received();
        await Peers.NextAsync(slow);
        await SendAsync("hs4");
        var again = await Peers.NextAsync(ended);

        Assert.That(again.Id, Is.EqualTo(transactions[ended].Id));
    }

    [Test]
    public async Task D22_a_server_that_has_failed_comes_back_among_those_that_fail()
    {
        await StartAsync(places: 2, forFailing: 1);
        foreach (var server in new[] { "hs2", "hs3" })
        {
            await SendAsync(server);
            (await Peers.NextAsync(server)).Fails();
        }

        // Both have failed: one is tried at a time, and the other place is free.
        await ComesAsync("hs2", "hs3");
        await SendAsync("hs4");
        (await Peers.NextAsync("hs4")).Received();
        Assert.That(Peers.HasNext("hs2"), Is.Not.EqualTo(Peers.HasNext("hs3")));

        // It fails again, and the other one has its turn.
        var (first, second) = Peers.HasNext("hs2") ? ("hs2", "hs3") : ("hs3", "hs2");
        (await Peers.NextAsync(first)).Fails();
        await ComesAsync(second);
    }

    [Test]
    public async Task D22_servers_for_which_there_is_always_more_do_not_keep_their_places_from_others()
    {
        await StartAsync(places: 2, forFailing: 1);
        string[] busy = ["busy1", "busy2"];
        foreach (var server in busy) await SendAsync(server);
        List<TestTransport.Transaction> underWay = [await Peers.NextAsync("busy1"), await Peers.NextAsync("busy2")];
        await SendAsync("hs2");

        // Each answers before it counts as slow, and has got one more by then.
        // Nobody's clock but the test's: a busy machine may need many turns for what is done in no time.
        var patience = _time.GetUtcNow() + TimeSpan.FromHours(1);
        while (!Peers.HasNext("hs2"))
        {
            foreach (var server in busy)
            {
                await SendAsync(server);
                if (Peers.HasNext(server)) underWay.Add(await Peers.NextAsync(server));
            }

            Assert.That(_time.GetUtcNow(), Is.LessThan(patience), "hs2 waits, and two others are served again and again");
            _time.Advance(s_slowAfter - TimeSpan.FromSeconds(1));
            foreach (var transaction in underWay) transaction.Received();
            underWay.Clear();
            for (var n = 0; n < 20 && !Peers.HasNext("hs2") && !busy.Any(server => Peers.HasNext(server)); n++) await TimeLimit.OneMoreTurnAsync();
        }
    }

    [TestCase(100)]
    [TestCase(500)]
    public async Task D22_mail_for_a_server_that_has_answered_does_not_stand_behind_that_for_made_up_ones(int count)
    {
        await StartAsync(places: 4, forFailing: 2);
        await SendAsync("hs2");
        (await Peers.NextAsync("hs2")).Received();
        var madeUp = string.Join(',', Enumerable.Range(1, count).Select(n => $$$""" "@x:dead{{{n}}}":{"D":{}} """));
        (await _alice.PutAsync("m.test", "many", "{\"messages\":{" + madeUp + "}}")).ShouldBeAccepted();

        // The clock stands still: it waits for none of them.
        for (var n = 1; n <= 5; n++)
        {
            await SendAsync("hs2");
            (await Peers.NextAsync("hs2")).Received();
        }
    }

    private async Task StartAsync(int places, int forFailing)
    {
        (_time, _sends) = (new ManualTime(), 0);
        _server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(_time);
            TestTransport.Add(builder, options =>
            {
                (options.MaxDestinations, options.MaxFailingDestinations) = (places, forFailing);
                (options.SlowAfter, options.SendTimeout) = (s_slowAfter, s_sendTimeout);
                options.PollInterval = TimeSpan.FromSeconds(1);
                // Renewals are no part of this.
                options.LeaseDuration = TimeSpan.FromDays(1);
            });
        });
        _alice = _server.Login("@alice:hs1", "A1");
    }

    /// <summary>Time goes by until there is a transaction for one of these.</summary>
    private async Task ComesAsync(params string[] servers)
    {
        while (!servers.Any(server => Peers.HasNext(server)))
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await TimeLimit.OneMoreTurnAsync();
        }
    }

    private async Task SendAsync(string server) => (await _alice.SendAsync($"{++_sends}", $"@carol:{server}", "C1")).ShouldBeAccepted();
}
