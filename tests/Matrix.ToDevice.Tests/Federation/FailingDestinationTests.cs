using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>What the sender does with a destination that does not answer 200.</summary>
public partial class FailingDestinationTests : SenderTests
{
    // Where a test moves the clock while a request is under way.
    private static readonly TimeSpan s_longLease = TimeSpan.FromDays(30);

    [TestCase("fails")]
    [TestCase("throws")]
    public async Task R84_D16_a_transaction_that_failed_comes_again_as_it_was(string how)
    {
        await SendAsync(1, 1);
        var first = await Peers.NextAsync();
        await SendAsync(2, 2);
        for (var attempt = 1; attempt <= 3; attempt++)
        {
            if (how == "fails") first.Fails();
            else first.Throws();
            var again = await Peers.NextAsync();
            Assert.That(again.Id, Is.EqualTo(first.Id));
            Assert.That(again.MessageIds, Is.EqualTo(first.MessageIds), "not the second message with it, although it is there by now");
            first = again;
        }

        first.Received();
        Assert.That((await Peers.NextAsync()).Numbers, Is.EqualTo(new[] { 2 }));
    }

    [Test]
    public async Task R84_a_destination_that_does_not_answer_in_time_gets_the_transaction_again()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => TestTransport.Add(builder, options => options.SendTimeout = TimeSpan.FromMilliseconds(20)));
        await server.Login("@alice:hs1", "A1").SendAsync("t1", "@carol:hs2", "C1");

        var first = await TestTransport.Of(server).NextAsync();
        var second = await TestTransport.Of(server).NextAsync();

        Assert.That(first.Cancelled.IsCancellationRequested, Is.True);
        Assert.That(second.Id, Is.EqualTo(first.Id));
    }

    [Test]
    public async Task D16_the_pauses_double_up_to_the_longest_and_a_success_ends_them()
    {
        var (log, time) = (new CapturedLog(), new TestTime());
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            log.AddTo(builder, LogLevel.Information);
            builder.Services.AddSingleton<TimeProvider>(time);
            TestTransport.Add(builder, options =>
            {
                (options.MinPause, options.MaxPause) = (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(20));
                options.LeaseDuration = s_longLease;
            });
        });
        var alice = server.Login("@alice:hs1", "A1");
        var peers = TestTransport.Of(server);
        await alice.SendAsync("t1", "@carol:hs2", "C1");

        int[] expected = [1, 2, 4, 8, 16, 20, 20];
        for (var failures = 1; failures <= expected.Length; failures++)
        {
            (await peers.NextAsync()).Fails();
            var pause = await PauseAsync(log, failures);
            var about = expected[failures - 1];
            Assert.That(pause.TotalSeconds, Is.InRange(0.75 * about, Math.Min(1.25 * about, 20)));
            // The sender looks again, and again: it is not time yet.
            for (var look = 1; look <= 2; look++)
            {
                await alice.SendAsync($"{failures}.{look}", "@dave:hs3", "D1");
                (await peers.NextAsync("hs3")).Received();
            }

            Assert.That(peers.HasNext(), Is.False);
            await AdvanceAsync(time, pause, alice, peers);
        }

        (await peers.NextAsync()).Received();
        await alice.SendAsync("t2", "@carol:hs2", "C1");
        (await peers.NextAsync()).Fails();
        Assert.That((await PauseAsync(log, expected.Length + 1)).TotalSeconds, Is.LessThan(1.5));
    }

    [TestCase(7, 7)]
    [TestCase(3600, 20)]
    public async Task R13_D16_a_destination_that_names_a_time_is_left_alone_for_so_long(int asked, int pause)
    {
        var (log, time) = (new CapturedLog(), new TestTime());
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            log.AddTo(builder, LogLevel.Information);
            builder.Services.AddSingleton<TimeProvider>(time);
            TestTransport.Add(builder, options => (options.MaxPause, options.LeaseDuration) = (TimeSpan.FromSeconds(20), s_longLease));
        });
        var alice = server.Login("@alice:hs1", "A1");
        await alice.SendAsync("t1", "@carol:hs2", "C1");
        var peers = TestTransport.Of(server);

        (await peers.NextAsync()).Fails(TimeSpan.FromSeconds(asked));

        Assert.That((await PauseAsync(log, failures: 1)).TotalSeconds, Is.EqualTo(pause));
        await AdvanceAsync(time, TimeSpan.FromSeconds(pause), alice, peers);
        await peers.NextAsync();
    }

    [Test]
    public async Task D16_without_expiries_nothing_is_too_old()
    {
        await ExpireAsync(expiry: null, TimeSpan.FromDays(29), expected: [1, 2]);
    }

    [Test]
    public async Task D16_an_EDU_that_is_older_than_the_expiry_is_given_up_and_counted()
    {
        await ExpireAsync(TimeSpan.FromDays(7), TimeSpan.FromDays(7) + TimeSpan.FromSeconds(1), expected: [3]);
    }

    [Test]
    public async Task D16_an_EDU_that_is_not_older_than_the_expiry_is_sent()
    {
        // A day of room: the clock moves on by a tick for each look, and a busy machine makes millions of those.
        await ExpireAsync(TimeSpan.FromDays(7), TimeSpan.FromDays(6), expected: [1, 2]);
    }

    [Test]
    public async Task D16_an_EDU_that_is_just_as_old_as_the_expiry_is_sent_and_an_older_one_is_not()
    {
        var time = new ManualTime();
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(time);
            TestTransport.Add(builder, options =>
            {
                options.Expiry = TimeSpan.FromDays(7);
                options.SendTimeout = options.LeaseDuration = options.PollInterval = TimeSpan.FromDays(30);
            });
        });
        var alice = server.Login("@alice:hs1", "A1");
        var peers = TestTransport.Of(server);
        await alice.SendAsync("t1", "@carol:hs2", "C1", """{"n":1}""");
        var transaction = await peers.NextAsync();
        foreach (var n in new[] { 2, 3 })
        {
            await alice.SendAsync($"t{n}", "@carol:hs2", "C1", $$"""{"n":{{n}}}""");
            time.Advance(TimeSpan.FromMilliseconds(1));
        }

        // The second one is older than a week by a millisecond then, the third one is not.
        time.Advance(TimeSpan.FromDays(7) - TimeSpan.FromMilliseconds(1));
        transaction.Received();
        Assert.That((await peers.NextAsync()).Numbers, Is.EqualTo(new[] { 3 }));
    }

    private static async Task ExpireAsync(TimeSpan? expiry, TimeSpan age, int[] expected)
    {
        var time = new TestTime();
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(time);
            TestTransport.Add(builder, options => (options.Expiry, options.UnreachableExpiry, options.LeaseDuration) = (expiry, null, s_longLease));
        });
        using var metrics = CapturedMetrics.Of(server);
        var alice = server.Login("@alice:hs1", "A1");
        var peers = TestTransport.Of(server);
        await alice.SendAsync("t1", "@carol:hs2", "C1", """{"n":1}""");
        var first = await peers.NextAsync();
        await alice.SendAsync("t2", "@carol:hs2", "C1", """{"n":2}""");
        time.Advance(age);
        await alice.SendAsync("t3", "@carol:hs2", "C1", """{"n":3}""");
        first.Fails();
        await AdvanceAsync(time, TimeSpan.FromTicks(1), alice, peers);

        var second = await peers.NextAsync();
        if (expected is [1, 2])
        {
            Assert.That(second.Numbers, Is.EqualTo(new[] { 1 }));
            second.Received();
            second = await peers.NextAsync();
            Assert.That(second.Numbers, Is.EqualTo(new[] { 2, 3 }));
            Assert.That(metrics["matrix.to_device.federation.given_up"], Is.Empty);
        }
        else
        {
            Assert.That(second.Numbers, Is.EqualTo(expected));
            Assert.That(metrics["matrix.to_device.federation.given_up"].Select(edu => edu.Tags), Is.EqualTo(new[] { "reason=expired", "reason=expired" }));
        }

        second.Received();
    }

    /// <summary>The pause that a failure was logged with.</summary>
    private static async Task<TimeSpan> PauseAsync(CapturedLog log, int failures)
    {
        while (true)
        {
            var logged = log.Entries.Where(entry => entry.Id.Id == 15).ToArray();
            if (logged.Length >= failures)
                return TimeSpan.Parse(PauseText().Match(logged[failures - 1].Text).Groups[1].Value, CultureInfo.InvariantCulture);
            await TimeLimit.OneMoreTurnAsync();
        }
    }

    /// <summary>
    /// Moves the clock on until the pause is over, which begins just after it was logged. The sender looks once between two
    /// moves: a clock that runs ahead of it ends more than a pause.
    /// </summary>
    private static async Task AdvanceAsync(TestTime time, TimeSpan pause, TestClient alice, TestTransport peers)
    {
        while (!peers.HasNext())
        {
            time.Advance(pause);
            await alice.SendAsync($"at {time.GetUtcNow().Ticks}", "@dave:hs3", "D1");
            (await peers.NextAsync("hs3")).Received();
        }
    }

    [GeneratedRegex("the next try is in ([0-9:.]+)")]
    private static partial Regex PauseText();
}
