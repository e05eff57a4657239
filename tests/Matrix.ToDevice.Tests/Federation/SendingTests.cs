using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>What the sender does with a destination that answers.</summary>
public class SendingTests : SenderTests
{
    [Test]
    public async Task R84_D16_a_destination_has_one_transaction_in_flight_and_gets_everything_in_order()
    {
        await SendAsync(1, 1);
        var first = await Peers.NextAsync();
        await SendAsync(2, 5);
        await SendAsync(1, 1, "@dave:hs3");
        var other = await Peers.NextAsync("hs3");

        Assert.That(Peers.HasNext(), Is.False, "the first one has no answer yet; hs3 does not wait for that");
        first.Received();
        var second = await Peers.NextAsync();

        Assert.That(first.Numbers, Is.EqualTo(new[] { 1 }));
        Assert.That(second.Numbers, Is.EqualTo(new[] { 2, 3, 4, 5 }));
        Assert.That(second.Id, Is.Not.EqualTo(first.Id).And.Not.EqualTo(other.Id));
        second.Received();
        other.Received();
        await DrainedAsync();
    }

    [Test]
    public async Task D16_an_EDU_leaves_the_outbox_when_its_destination_has_answered_200()
    {
        await SendAsync(1, 3);
        var first = await Peers.NextAsync();

        Assert.That(await CountAsync(), Is.EqualTo(3));
        first.Received();
        var second = await Peers.NextAsync();
        Assert.That(await CountAsync(), Is.EqualTo(second.Numbers.Count));
        second.Received();
        await DrainedAsync();
    }

    [Test]
    public async Task R83_a_transaction_has_at_most_100_EDUs()
    {
        await SendTogetherAsync(1, 250);

        var numbers = new List<int>();
        foreach (var expected in new[] { 100, 100, 50 })
        {
            var transaction = await Peers.NextAsync();
            Assert.That(transaction.Sent.Edus, Has.Count.EqualTo(expected));
            numbers.AddRange(transaction.Numbers);
            transaction.Received();
        }

        Assert.That(numbers, Is.EqualTo(Enumerable.Range(1, 250)));
        await DrainedAsync();
    }

    [Test]
    public async Task R22_a_send_does_not_wait_for_other_servers_and_wakes_the_sender_each_time()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => TestTransport.Add(builder, options => options.PollInterval = TimeSpan.FromDays(1)));
        var alice = server.Login("@alice:hs1", "A1");

        for (var n = 1; n <= 20; n++)
        {
            (await alice.SendAsync($"{n}", "@carol:hs2", "C1", $$"""{"n":{{n}}}""")).ShouldBeAccepted();
            var transaction = await TestTransport.Of(server).NextAsync();
            Assert.That(transaction.Numbers, Is.EqualTo(new[] { n }));
            transaction.Received();
        }
    }

    [Test]
    public async Task R22_what_is_sent_while_a_destination_is_being_left_is_not_forgotten()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => TestTransport.Add(builder, options => options.PollInterval = TimeSpan.FromDays(1)));
        var alice = server.Login("@alice:hs1", "A1");
        var arrived = Task.Run(async () =>
        {
            for (var count = 0; count < 200;)
            {
                var transaction = await TestTransport.Of(server).NextAsync();
                count += transaction.Numbers.Count;
                transaction.Received();
            }
        });

        for (var n = 1; n <= 200; n++) (await alice.SendAsync($"{n}", "@carol:hs2", "C1")).ShouldBeAccepted();

        await arrived;
    }

    [Test]
    public async Task R22_what_is_sent_just_before_a_destination_is_given_back_is_sent_on()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            TestTransport.Add(builder, options => options.PollInterval = TimeSpan.FromDays(1));
            HookedOutbox.Add(builder);
        });
        var outbox = server.Services.GetRequiredService<HookedOutbox>();
        var alice = server.Login("@alice:hs1", "A1");
        var sent = false;
        outbox.Before = method =>
        {
            if (method != nameof(outbox.ReleaseAsync) || sent) return;
            sent = true;
            alice.SendAsync("t2", "@carol:hs2", "C1", """{"n":2}""").Wait();
        };

        await alice.SendAsync("t1", "@carol:hs2", "C1", """{"n":1}""");
        (await TestTransport.Of(server).NextAsync()).Received();

        Assert.That((await TestTransport.Of(server).NextAsync()).Numbers, Is.EqualTo(new[] { 2 }));
    }

    [Test]
    public async Task R22_what_is_sent_just_after_a_destination_was_given_back_is_sent_on()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            TestTransport.Add(builder, options => options.PollInterval = TimeSpan.FromDays(1));
            HookedOutbox.Add(builder);
        });
        var outbox = server.Services.GetRequiredService<HookedOutbox>();
        var alice = server.Login("@alice:hs1", "A1");
        var peers = TestTransport.Of(server);
        var sent = false;
        outbox.AfterRelease = async () =>
        {
            if (sent) return;
            sent = true;
            await alice.SendAsync("t2", "@carol:hs2", "C1", """{"n":2}""");
            // This wakes the sender, which finds both.
            await alice.SendAsync("t3", "@dave:hs3", "D1", """{"n":3}""");
            await peers.NextAsync("hs3");
        };

        await alice.SendAsync("t1", "@carol:hs2", "C1", """{"n":1}""");
        (await peers.NextAsync()).Received();

        Assert.That((await peers.NextAsync()).Numbers, Is.EqualTo(new[] { 2 }));
    }

    [Test]
    public async Task D16_only_so_many_destinations_are_sent_to_at_once_and_all_get_their_turn()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => TestTransport.Add(builder, options => (options.MaxDestinations, options.MaxFailingDestinations) = (2, 1)));
        var alice = server.Login("@alice:hs1", "A1");
        string[] destinations = ["hs2", "hs3", "hs4"];
        foreach (var destination in destinations) await alice.SendAsync(destination, $"@carol:{destination}", "C1");
        var peers = TestTransport.Of(server);
        while (destinations.Count(peers.HasNext) < 2) await TimeLimit.OneMoreTurnAsync();
        Assert.That(destinations.Count(peers.HasNext), Is.EqualTo(2));

        foreach (var destination in destinations.Where(peers.HasNext).ToArray()) (await peers.NextAsync(destination)).Received();

        await peers.NextAsync(destinations.Single(destination => destination == "hs4" || peers.HasNext(destination)));
    }
}
