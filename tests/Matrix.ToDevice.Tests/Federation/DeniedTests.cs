using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// What the sender does when a destination denies a transaction (401, 403): mostly its keys are out of date and everything waits, but
/// one EDU that it finds signed wrongly may not hold up those behind it.
/// </summary>
public class DeniedTests : SenderTests
{
    // As many as are taken for a passing trouble.
    private const int Passing = 4;

    [Test]
    public async Task R84_D16_a_transaction_that_is_denied_comes_again_as_it_was_several_times()
    {
        await SendAsync(1, 1);
        var first = await Peers.NextAsync();
        await SendAsync(2, 2);
        for (var denials = 1; denials <= Passing; denials++)
        {
            first.Denied();
            var again = await Peers.NextAsync();
            Assert.That((again.Id, again.Numbers), Is.EqualTo((first.Id, first.Numbers)), "nothing behind it is tried");
            first = again;
        }

        first.Received();
        Assert.That((await Peers.NextAsync()).Numbers, Is.EqualTo(new[] { 2 }));
    }

    [TestCase(1)]
    [TestCase(7)]
    [TestCase(20)]
    public async Task D16_one_EDU_that_is_denied_again_and_again_is_given_up_and_the_others_arrive(int denied)
    {
        using var metrics = CapturedMetrics.Of(Server);
        await SendTogetherAsync(1, 20);
        // Something behind it has to be taken first.
        await SendAsync(21, 21);

        var numbers = await AnswerAsync(transaction => transaction.Numbers.Contains(denied));

        Assert.That(numbers, Is.EqualTo(Enumerable.Range(1, 21).Where(n => n != denied)));
        await metrics.ReachAsync("matrix.to_device.federation.given_up", 1);
        Assert.That(metrics["matrix.to_device.federation.given_up"].Select(edu => edu.Tags), Is.EqualTo(new[] { "reason=refused" }));
        await metrics.ReachAsync("matrix.to_device.federation.transaction.duration", 2);
        Assert.That(metrics["matrix.to_device.federation.transaction.duration"].Select(sent => sent.Tags), Does.Contain("outcome=denied").And.Contain("outcome=received"));
    }

    [Test]
    public async Task D16_several_denied_EDUs_in_a_row_are_given_up_too_and_reported()
    {
        var log = new CapturedLog();
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            log.AddTo(builder, LogLevel.Error);
            TestTransport.Add(builder);
        });
        var alice = server.Login("@alice:hs1", "A1");
        var peers = TestTransport.Of(server);
        for (var n = 0; n <= 40; n++) await alice.SendAsync($"t{n}", "@carol:hs2", "C1", $$"""{"n":{{n}}}""");

        SortedSet<int> received = [];
        while (received.Count < 10)
        {
            var transaction = await peers.NextAsync();
            if (transaction.Numbers.Any(n => n <= 30))
            {
                transaction.Denied();
            }
            else
            {
                received.UnionWith(transaction.Numbers);
                transaction.Received();
            }
        }

        Assert.That(received, Is.EqualTo(Enumerable.Range(31, 10)));
        while (log.Entries.Count(entry => entry.Id.Id == 17) < 31) await TimeLimit.OneMoreTurnAsync();
        Assert.That(log.Entries.Where(entry => entry.Id.Id == 17).Select(entry => entry.Text), Is.All.Contains("The answer was 401."));
    }

    // From the first request on, through the repetitions, the splitting and the search behind the first EDU, and on in the next rounds.
    [Test]
    public async Task D16_a_destination_that_denies_everything_for_long_loses_nothing([Range(0, 44)] int denials)
    {
        using var metrics = CapturedMetrics.Of(Server);
        await SendTogetherAsync(1, 5);
        for (var answers = 0; answers < denials; answers++) (await Peers.NextAsync()).Denied();

        // Wherever in its search the sender is: the destination knows the keys again.
        Assert.That((await AnswerAsync(_ => false)).Distinct().Order(), Is.EqualTo(Enumerable.Range(1, 5)));
        Assert.That(metrics["matrix.to_device.federation.given_up"], Is.Empty);
    }

    [Test]
    public async Task D16_a_denied_EDU_waits_until_another_one_has_proved_that_the_destination_takes_some()
    {
        await SendAsync(1, 1);
        for (var answers = 0; answers < 20; answers++) (await Peers.NextAsync()).Denied();
        Assert.That(await CountAsync(), Is.EqualTo(1));

        await SendAsync(2, 2);

        Assert.That(await AnswerAsync(transaction => transaction.Numbers.Contains(1)), Is.EqualTo(new[] { 2 }));
    }

    [Test]
    public async Task D16_an_EDU_that_one_of_several_hosts_of_a_destination_denies_is_not_lost([Range(1, 4)] int denials)
    {
        await SendAsync(1, 1);
        var transaction = await Peers.NextAsync();
        await SendAsync(2, 2);
        for (; transaction.Numbers is [1]; transaction = await Peers.NextAsync()) transaction.Denied();
        Assert.That(transaction.Numbers, Is.EqualTo(new[] { 2 }));
        transaction.Received();

        // The first one once more: it comes to a bad host so many times, and then to a good one.
        for (var again = 1; again <= denials; again++)
        {
            transaction = await Peers.NextAsync();
            Assert.That(transaction.Numbers, Is.EqualTo(new[] { 1 }));
            transaction.Denied();
        }

        transaction = await Peers.NextAsync();
        Assert.That(transaction.Numbers, Is.EqualTo(new[] { 1 }));
        transaction.Received();
        await DrainedAsync();
    }

    [Test]
    public async Task D16_a_denial_after_other_failures_counts_them_and_a_success_counts_anew()
    {
        await SendAsync(1, 1);
        var transaction = await Peers.NextAsync();
        await SendAsync(2, 2);
        for (var failures = 1; failures <= Passing; failures++)
        {
            transaction.Fails();
            transaction = await Peers.NextAsync();
        }

        // It has been in trouble for long enough: this is looked into at once, and the next one is taken.
        transaction.Denied();
        transaction = await Peers.NextAsync();
        Assert.That(transaction.Numbers, Is.EqualTo(new[] { 2 }));
        transaction.Received();
        transaction = await Peers.NextAsync();
        Assert.That(transaction.Numbers, Is.EqualTo(new[] { 1 }));
        transaction.Received();
        await DrainedAsync();

        await SendAsync(3, 3);
        transaction = await Peers.NextAsync();
        await SendAsync(4, 4);
        transaction.Denied();
        Assert.That((await Peers.NextAsync()).Numbers, Is.EqualTo(new[] { 3 }), "a passing trouble");
    }

    [Test]
    public async Task D16_another_host_goes_on_where_the_first_one_was()
    {
        // As the first host has left it: it has failed four times in a row.
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            TestTransport.Add(builder, options => options.PollInterval = TimeSpan.FromMilliseconds(5));
            HookedOutbox.Add(builder);
        });
        var isElsewhere = true;
        server.Services.GetRequiredService<HookedOutbox>().Before = called =>
        {
            if (called == nameof(IFederationOutbox.AcquireAsync) && Volatile.Read(ref isElsewhere)) throw new IOException("Not this host's turn.");
        };
        var alice = server.Login("@alice:hs1", "A1");
        for (var n = 1; n <= 2; n++) await alice.SendAsync($"t{n}", "@carol:hs2", "C1", $$"""{"n":{{n}}}""");
        var outbox = (IFederationOutbox)server.Services.GetRequiredService<ITransactionStore>();
        var lease = (await outbox.AcquireAsync("first", TimeSpan.FromMinutes(1), 10)).Single();
        var edus = await outbox.ReadAsync(lease.Destination, 10);
        Assert.That(await outbox.RenewAsync(lease.Destination, "first", TimeSpan.FromMinutes(1), edus[0].Position, default), Is.True);
        await outbox.ReleaseAsync(lease.Destination, "first", Passing, TimeSpan.Zero, default);
        Volatile.Write(ref isElsewhere, false);

        var peers = TestTransport.Of(server);
        var transaction = await peers.NextAsync();
        Assert.That(transaction.Numbers, Is.EqualTo(new[] { 1 }), "as it was");
        transaction.Denied();
        Assert.That((await peers.NextAsync()).Numbers, Is.EqualTo(new[] { 2 }), "the one behind it");
    }

    [TestCase(400, FederationSendOutcome.Refused)]
    [TestCase(401, FederationSendOutcome.Denied)]
    [TestCase(403, FederationSendOutcome.Denied)]
    [TestCase(404, FederationSendOutcome.Failed)]
    [TestCase(413, FederationSendOutcome.Refused)]
    [TestCase(429, FederationSendOutcome.Failed)]
    [TestCase(500, FederationSendOutcome.Failed)]
    [TestCase(200, FederationSendOutcome.Received)]
    public void D16_a_status_means_what_the_documentation_says(int status, FederationSendOutcome outcome)
    {
        var result = FederationSendResult.Of(status, TimeSpan.FromSeconds(7));
        Assert.That(result.Outcome, Is.EqualTo(outcome));
        Assert.That(result.RetryAfter, Is.EqualTo(outcome is FederationSendOutcome.Denied or FederationSendOutcome.Failed ? TimeSpan.FromSeconds(7) : (TimeSpan?)null));
    }

    /// <summary>Answers until nothing waits any more, and returns the numbers that were received, in order.</summary>
    private async Task<List<int>> AnswerAsync(Func<TestTransport.Transaction, bool> denies)
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
            if (denies(transaction))
            {
                transaction.Denied();
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
