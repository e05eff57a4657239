using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>What the sender does when a destination refuses a transaction (413, 400): no EDU may hold up those behind it (R90).</summary>
public class RefusedTests : SenderTests
{
    [Test]
    public async Task R90_a_transaction_that_is_too_large_is_split_until_it_is_taken()
    {
        await SendTogetherAsync(1, 20);

        var numbers = await AnswerAsync(transaction => transaction.Numbers.Count > 3);

        Assert.That(numbers, Is.EqualTo(Enumerable.Range(1, 20)));
    }

    [Test]
    public async Task R90_transactions_grow_again_when_they_are_taken()
    {
        await SendTogetherAsync(1, 80);
        for (var size = 80; size > 5; size /= 2)
        {
            var transaction = await Peers.NextAsync();
            Assert.That(transaction.Sent.Edus, Has.Count.EqualTo(size));
            transaction.Refused();
        }

        foreach (var size in new[] { 5, 10, 20, 40, 5 })
        {
            var transaction = await Peers.NextAsync();
            Assert.That(transaction.Sent.Edus, Has.Count.EqualTo(size));
            transaction.Received();
        }
    }

    [TestCase(1)]
    [TestCase(7)]
    [TestCase(19)]
    public async Task R90_D16_one_EDU_that_is_refused_by_itself_is_given_up_and_the_others_arrive(int refused)
    {
        using var metrics = CapturedMetrics.Of(Server);
        await SendTogetherAsync(1, 20);

        var numbers = await AnswerAsync(transaction => transaction.Numbers.Contains(refused));

        Assert.That(numbers, Is.EqualTo(Enumerable.Range(1, 20).Where(n => n != refused)));
        // Counted after the removal that ended the loop.
        while (metrics["matrix.to_device.federation.sent"].Sum(sent => sent.Value) < 1 + 19) await TimeLimit.OneMoreTurnAsync();
        await metrics.ReachAsync("matrix.to_device.federation.given_up", 1);
        Assert.That(metrics["matrix.to_device.federation.given_up"].Select(edu => edu.Tags), Is.EqualTo(new[] { "reason=refused" }));
    }

    [Test]
    public async Task D16_several_refused_EDUs_in_a_row_are_given_up_too()
    {
        await SendTogetherAsync(1, 40);

        var numbers = await AnswerAsync(transaction => transaction.Numbers.Any(n => n <= 30));

        Assert.That(numbers, Is.EqualTo(Enumerable.Range(31, 10)));
    }

    [Test]
    public async Task D16_more_refused_EDUs_in_a_row_than_a_transaction_holds_do_not_hold_up_what_is_behind_them()
    {
        using var metrics = CapturedMetrics.Of(Server);
        await SendTogetherAsync(1, 250);

        var numbers = await AnswerAsync(transaction => transaction.Numbers.Any(n => n <= 230 && n != 120));

        Assert.That(numbers.Distinct(), Is.EquivalentTo(Enumerable.Range(231, 20).Prepend(120)));
        await metrics.ReachAsync("matrix.to_device.federation.given_up", 229);
        Assert.That(metrics["matrix.to_device.federation.given_up"].Select(edu => edu.Tags), Has.Exactly(229).EqualTo("reason=refused"));
    }

    [Test]
    public async Task D16_a_long_row_of_EDUs_that_are_refused_once_is_not_given_up()
    {
        using var metrics = CapturedMetrics.Of(Server);
        await SendTogetherAsync(1, 250);
        var isWell = false;

        // As long as it has not come as far as to the last ones, it refuses all.
        var numbers = await AnswerAsync(transaction => !(isWell |= transaction.Numbers is [230]));

        Assert.That(numbers.Distinct(), Is.EquivalentTo(Enumerable.Range(1, 250)));
        Assert.That(metrics["matrix.to_device.federation.given_up"], Is.Empty);
    }

    [Test]
    public async Task D16_a_destination_that_refuses_everything_loses_nothing([Range(57, 64)] int refusals)
    {
        using var metrics = CapturedMetrics.Of(Server);
        await SendTogetherAsync(1, 5);
        for (var answers = 0; answers < refusals; answers++) (await Peers.NextAsync()).Refused();

        // Wherever in its search the sender is: the destination is well again.
        Assert.That((await AnswerAsync(_ => false)).Distinct().Order(), Is.EqualTo(Enumerable.Range(1, 5)));
        Assert.That(metrics["matrix.to_device.federation.given_up"], Is.Empty);
    }

    [Test]
    public async Task D16_a_refused_EDU_waits_until_another_one_has_proved_that_the_destination_takes_some()
    {
        await SendAsync(1, 1);
        for (var answers = 0; answers < 5; answers++) (await Peers.NextAsync()).Refused();
        Assert.That(await CountAsync(), Is.EqualTo(1));

        await SendAsync(2, 2);

        Assert.That(await AnswerAsync(transaction => transaction.Numbers.Contains(1)), Is.EqualTo(new[] { 2 }));
    }

    [Test]
    public async Task R90_a_transaction_has_no_more_bytes_than_it_may_have()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => TestTransport.Add(builder, options => options.MaxTransactionBytes = 4000));
        var alice = server.Login("@alice:hs1", "A1");
        var peers = TestTransport.Of(server);
        var padding = new string('x', 1000);
        await alice.SendAsync("t0", "@carol:hs2", "C1");
        var first = await peers.NextAsync();
        for (var n = 1; n <= 10; n++) await alice.SendAsync($"t{n}", "@carol:hs2", "C1", $$"""{"n":{{n}},"p":"{{padding}}"}""");
        await alice.SendAsync("t11", "@carol:hs2", "C1", $$"""{"n":11,"p":"{{padding}}{{padding}}{{padding}}{{padding}}{{padding}}"}""");
        first.Received();

        List<int> numbers = [];
        while (numbers.Count < 11)
        {
            var transaction = await peers.NextAsync();
            Assert.That(transaction.Sent.Edus, Has.Count.EqualTo(1).Or.Count.EqualTo(3));
            numbers.AddRange(transaction.Numbers);
            transaction.Received();
        }

        Assert.That(numbers, Is.EqualTo(Enumerable.Range(1, 11)), "an EDU that is larger goes alone");
    }

    /// <summary>Answers until nothing waits any more, and returns the numbers that were received, in order.</summary>
    private async Task<List<int>> AnswerAsync(Func<TestTransport.Transaction, bool> refuses)
    {
        List<int> received = [];
        while (await CountAsync() > 0)
        {
            if (!Peers.HasNext())
            {
                await TimeLimit.OneMoreTurnAsync();
                continue;
            }

            var transaction = await Peers.NextAsync();
            if (refuses(transaction))
            {
                transaction.Refused();
            }
            else
            {
                received.AddRange(transaction.Numbers);
                transaction.Received();
            }
        }

        return received;
    }
}
