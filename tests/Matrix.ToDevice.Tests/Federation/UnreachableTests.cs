using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>Mail for a server that does not come back is given up some day (D21).</summary>
public class UnreachableTests
{
    private static readonly TimeSpan s_expiry = TimeSpan.FromDays(30);

    private ManualTime _time = null!;
    private CapturedLog _log = null!;
    private TestHomeserver _server = null!;
    private CapturedMetrics _metrics = null!;
    private TestClient _alice = null!;

    private TestTransport Peers => TestTransport.Of(_server);

    private IEnumerable<string> GivenUp => _metrics["matrix.to_device.federation.given_up"].Select(edu => edu.Tags);

    [SetUp]
    public async Task StartAsync()
    {
        (_time, _log) = (new ManualTime(), new CapturedLog());
        _server = await TestHomeserver.StartAsync(builder =>
        {
            _log.AddTo(builder, LogLevel.Information);
            builder.Services.AddSingleton<TimeProvider>(_time);
            // All but the expiry, which is the default, so long that it is no part of this.
            TestTransport.Add(builder, options =>
            {
                options.SendTimeout = options.SlowAfter = options.LeaseDuration = TimeSpan.FromDays(45);
                options.PollInterval = TimeSpan.FromDays(1);
            });
        });
        _metrics = CapturedMetrics.Of(_server);
        _alice = _server.Login("@alice:hs1", "A1");
    }

    [TearDown]
    public async Task StopAsync()
    {
        _metrics.Dispose();
        await _server.DisposeAsync();
    }

    [Test]
    public async Task D21_what_has_waited_for_a_month_is_given_up_when_one_more_try_has_failed_and_the_rest_is_tried_again()
    {
        var first = await SendOneAndKeepItAsync(1);
        await SendAsync(2);
        _time.Advance(s_expiry - TimeSpan.FromDays(1));
        await FailsAsync(first);
        var old = await NextAsync();
        Assert.That(old.Numbers, Is.EqualTo(new[] { 1 }), "a day less than a month: as it was");
        old.Received();
        var second = await NextAsync();
        Assert.That(second.Numbers, Is.EqualTo(new[] { 2 }));
        await SendAsync(3);
        _time.Advance(TimeSpan.FromDays(2));
        Assert.That(GivenUp, Is.Empty, "not before it has been tried once more");

        // It has just taken the one before: this may pass.
        var (next, tries) = (second, 0);
        for (; !GivenUp.Any(); tries++)
        {
            Assert.That(next.Id, Is.EqualTo(second.Id));
            await FailsAsync(next);
            next = await NextAsync();
        }

        Assert.That(tries, Is.EqualTo(17));
        Assert.That(next.Numbers, Is.EqualTo(new[] { 3 }));
        Assert.That(GivenUp, Is.EqualTo(new[] { "reason=unreachable" }));
        Assert.That(_log.Entries.Where(entry => entry.Id.Id == 17).Select(entry => entry.Text), Has.One.Contains("hs2").And.Contains("502"));
    }

    [Test]
    public async Task D21_a_server_that_comes_back_after_a_month_gets_what_waits()
    {
        var first = await SendOneAndKeepItAsync(1);
        for (var n = 2; n <= 3; n++) await SendAsync(n);
        _time.Advance(s_expiry + TimeSpan.FromDays(1));

        first.Received();
        var rest = await NextAsync();

        Assert.That(rest.Numbers, Is.EqualTo(new[] { 2, 3 }));
        rest.Received();
        while ((await _server.Services.GetRequiredService<IFederationOutbox>().ReadAsync("hs2", 10)).Count > 0) await TimeLimit.OneMoreTurnAsync();
        Assert.That(GivenUp, Is.Empty);
    }

    [Test]
    public async Task D21_a_server_that_comes_back_after_a_month_gets_the_rest_also_when_it_asks_for_time()
    {
        var first = await SendOneAndKeepItAsync(1);
        for (var n = 2; n <= 3; n++) await SendAsync(n);
        _time.Advance(s_expiry + TimeSpan.FromDays(1));
        first.Received();

        (await NextAsync()).Fails(retryAfter: TimeSpan.FromSeconds(1));

        Assert.That((await NextAsync()).Numbers, Is.EqualTo(new[] { 2, 3 }));
        Assert.That(GivenUp, Is.Empty);
    }

    [Test]
    public async Task D21_a_try_that_was_cut_short_for_want_of_a_place_gives_nothing_up()
    {
        await _server.DisposeAsync();
        _server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(_time);
            TestTransport.Add(builder, options =>
            {
                (options.MaxDestinations, options.MaxFailingDestinations) = (2, 1);
                options.SendTimeout = options.LeaseDuration = options.PollInterval = TimeSpan.FromDays(45);
                options.SlowAfter = s_expiry + TimeSpan.FromDays(1);
            });
        });
        using var metrics = CapturedMetrics.Of(_server);
        _alice = _server.Login("@alice:hs1", "A1");
        await _alice.SendAsync("t1", "@carol:hs2", "C1");
        await _alice.SendAsync("t2", "@carol:hs3", "C1");
        var both = (await Peers.NextAsync("hs2"), await Peers.NextAsync("hs3"));

        _time.Advance(s_expiry + TimeSpan.FromDays(1));
        await metrics.ReachAsync("matrix.to_device.federation.transaction.duration", 1);

        Assert.That(both.Item1.Cancelled.IsCancellationRequested, Is.Not.EqualTo(both.Item2.Cancelled.IsCancellationRequested));
        Assert.That(await _server.Services.GetRequiredService<IFederationOutbox>().ListDestinationsAsync(null, 10, default), Has.Count.EqualTo(2));
        Assert.That(metrics["matrix.to_device.federation.given_up"], Is.Empty);
    }

    private async Task SendAsync(int n) =>
        (await _alice.SendAsync($"{TestContext.CurrentContext.Test.ID}.{n}", "@carol:hs2", "C1", $$"""{"n":{{n}}}""")).ShouldBeAccepted();

    private async Task<TestTransport.Transaction> SendOneAndKeepItAsync(int n)
    {
        await SendAsync(n);
        return await Peers.NextAsync();
    }

    /// <summary>It fails; the clock stands still until the sender has seen that.</summary>
    private async Task FailsAsync(TestTransport.Transaction transaction)
    {
        var before = Failures();
        transaction.Fails();
        while (Failures() == before) await TimeLimit.OneMoreTurnAsync();

        int Failures() => _log.Entries.Count(entry => entry.Id.Id == 15);
    }

    /// <summary>The next transaction; the pause before it goes by.</summary>
    private async Task<TestTransport.Transaction> NextAsync()
    {
        while (!Peers.HasNext())
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            await TimeLimit.OneMoreTurnAsync();
        }

        return await Peers.NextAsync();
    }
}
