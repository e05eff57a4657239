using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice.Tests;

/// <summary>The sender beside those of other servers, and what it does when time goes by or something is set wrongly.</summary>
public class AppserviceSenderTests
{
    [Test]
    public async Task D22_without_UseFederation_mail_for_other_servers_is_left_alone()
    {
        var taken = 0;
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            HookedOutbox.Add(builder);
            TestAppservices.Add(builder, TestAppservices.Irc);
        });
        var alice = server.Login("@alice:hs1", "A1");
        server.Devices.Add("@_irc_bob:hs1", "G1");
        var outbox = server.Services.GetRequiredService<HookedOutbox>();
        await alice.SendAsync("t1", "@carol:hs2", "C1");
        outbox.Before = method => taken += method == nameof(IFederationOutbox.AcquireAsync) ? 1 : 0;
        // A look that began before.
        await Looks(outbox, 2);
        Interlocked.Exchange(ref taken, 0);

        for (var n = 1; n <= 3; n++)
        {
            await alice.SendAsync($"n{n}", "@_irc_bob:hs1", "G1", $$"""{"n":{{n}}}""");
            var push = await TestAppservices.Of(server).NextAsync();
            Assert.That(push.Numbers, Is.EqualTo(new[] { n }));
            push.Fails();
            (await TestAppservices.Of(server).NextAsync()).Received();
        }

        Assert.That(taken, Is.Zero, "nothing was taken from the line in which servers stand");
        var lease = (await ((IFederationOutbox)outbox).AcquireAsync("the host's own queue", TimeSpan.FromHours(1), 10)).Single();
        Assert.That(lease, Is.EqualTo(new OutboxLease("hs2", 0, 0)));
    }

    [Test]
    public async Task D22_a_store_that_cannot_be_asked_by_name_is_enough([Values] bool isFederating)
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.Replace(ServiceDescriptor.Singleton<IFederationOutbox>(
                provider => new LineOutbox((IFederationOutbox)provider.GetRequiredService<ITransactionStore>())));
            if (isFederating) TestTransport.Add(builder);
            TestAppservices.Add(builder, TestAppservices.Irc);
        });
        var alice = server.Login("@alice:hs1", "A1");
        server.Devices.Add("@_irc_bob:hs1", "G1");
        if (isFederating) await alice.SendAsync("t0", "@carol:hs2", "C1");

        await alice.SendAsync("t1", "@_irc_bob:hs1", "G1", """{"n":1}""");

        var push = await TestAppservices.Of(server).NextAsync();
        push.Fails();
        (await TestAppservices.Of(server).NextAsync()).Received();
        Assert.That(push.Numbers, Is.EqualTo(new[] { 1 }));
    }

    [Test]
    public async Task D22_the_sender_to_servers_leaves_a_failed_appservice_alone_for_its_pause_however_short_theirs_are()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            HookedOutbox.Add(builder);
            TestTransport.Add(builder);
            TestAppservices.Add(builder, options => options.MinPause = options.MaxPause = TimeSpan.FromHours(1), TestAppservices.Irc);
        });
        var outbox = server.Services.GetRequiredService<HookedOutbox>();
        server.Devices.Add("@_irc_bob:hs1", "G1");
        await server.Login("@alice:hs1", "A1").SendAsync("t1", "@_irc_bob:hs1", "G1");
        var push = await TestAppservices.Of(server).NextAsync();
        var (released, looks) = (new TaskCompletionSource(), 0);
        outbox.AfterRelease = () => Task.FromResult(released.TrySetResult());

        push.Fails();
        await released.Task.WaitAsync(TimeLimit.OfOneWait);
        outbox.Before = method => Interlocked.Add(ref looks, method == nameof(IFederationOutbox.AcquireAsync) ? 1 : 0);
        while (Volatile.Read(ref looks) < 20) await TimeLimit.OneMoreTurnAsync();

        Assert.That(TestAppservices.Of(server).HasNext(), Is.False);
    }

    [Test]
    public async Task D22_a_host_without_the_appservice_leaves_its_queue_to_the_others_and_says_so_once([Values] bool isFederating)
    {
        var log = new CapturedLog();
        await using var server = await TestHomeserver.StartAsync(builder => TestAppservices.Add(builder, TestAppservices.Irc));
        var alice = server.Login("@alice:hs1", "A1");
        server.Devices.Add("@_irc_bob:hs1", "G1");
        await alice.SendAsync("t1", "@_irc_bob:hs1", "G1", """{"n":1}""");
        (await TestAppservices.Of(server).NextAsync()).Fails();
        (await TestAppservices.Of(server).NextAsync()).Fails();
        var store = server.Services.GetRequiredService<ITransactionStore>();
        var first = await TestAppservices.Of(server).NextAsync();
        await server.DisposeAsync();

        await using var other = await TestHomeserver.StartAsync(builder =>
        {
            log.AddTo(builder, LogLevel.Warning);
            builder.Services.Replace(ServiceDescriptor.Singleton(store));
            builder.Services.Replace(ServiceDescriptor.Singleton((IDeviceInbox)store));
            builder.Services.Replace(ServiceDescriptor.Singleton((IFederationOutbox)store));
            if (isFederating) TestTransport.Add(builder);
            else TestAppservices.Add(builder, new Appservice("other", "@other:hs1", []));
        });
        while (!log.Entries.Any(entry => entry.Id.Id == 22)) await TimeLimit.OneMoreTurnAsync();

        Assert.That((await ((IFederationOutbox)store).ReadAsync("appservice/irc", 10)), Has.Count.EqualTo(1));
        Assert.That(log.Entries.Single(entry => entry.Id.Id == 22).Text, Does.Contain("appservice/irc"));
        Assert.That(Appservice.IsDestination("appservice/irc"), Is.True);
        Assert.That(Appservice.IsDestination("appservice.irc"), Is.False);
        Assert.That(first.Numbers, Is.EqualTo(new[] { 1 }));
    }

    [Test]
    public async Task D16_what_is_too_old_is_given_up_if_that_is_set_but_never_what_was_tried()
    {
        var (time, log) = (new TestTime(), new CapturedLog());
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            log.AddTo(builder, LogLevel.Information);
            builder.Services.AddSingleton<TimeProvider>(time);
            TestAppservices.Add(builder, options => options.Expiry = TimeSpan.FromDays(30), TestAppservices.Irc);
        });
        using var metrics = CapturedMetrics.Of(server);
        var alice = server.Login("@alice:hs1", "A1");
        server.Devices.Add("@_irc_bob:hs1", "G1");
        for (var n = 1; n <= 2; n++) await alice.SendAsync($"t{n}", "@_irc_bob:hs1", "G1", $$"""{"n":{{n}}}""");
        var tried = await TestAppservices.Of(server).NextAsync();
        await alice.SendAsync("t3", "@_irc_bob:hs1", "G1", """{"n":3}""");
        time.Advance(TimeSpan.FromDays(31));
        await alice.SendAsync("t4", "@_irc_bob:hs1", "G1", """{"n":4}""");
        tried.Fails();
        // Its time has run out by the clock; whoever takes it again repeats what was tried.
        while (!log.Entries.Any(entry => entry.Id.Id == 21)) await NextMomentAsync(time);

        var numbers = new List<int>();
        while (!numbers.Contains(4))
        {
            var push = await NextAsync(server, time);
            numbers.AddRange(push.Numbers);
            push.Received();
        }

        Assert.That(numbers.Distinct(), Is.EqualTo(tried.Numbers.Append(4)), "the tried transaction, as old as it is, and what is new");
        Assert.That(metrics["matrix.to_device.appservice.given_up"].Sum(lost => lost.Value), Is.EqualTo(3 - tried.Numbers.Count()));
    }

    [Test]
    public async Task D16_by_default_nothing_is_given_up_however_old_it_is()
    {
        var time = new TestTime();
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(time);
            TestAppservices.Add(builder, TestAppservices.Irc);
        });
        server.Devices.Add("@_irc_bob:hs1", "G1");
        await server.Login("@alice:hs1", "A1").SendAsync("t1", "@_irc_bob:hs1", "G1", """{"n":1}""");
        var push = await TestAppservices.Of(server).NextAsync();
        for (var failures = 0; failures < 30; failures++)
        {
            time.Advance(TimeSpan.FromDays(100));
            push.Fails();
            push = await NextAsync(server, time);
        }

        Assert.That(push.Numbers, Is.EqualTo(new[] { 1 }));
        push.Received();
    }

    [Test]
    public async Task D16_pauses_double_and_a_longer_one_that_is_asked_for_counts()
    {
        var log = new CapturedLog();
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            log.AddTo(builder, LogLevel.Information);
            TestAppservices.Add(builder, options => options.MaxPause = TimeSpan.FromMilliseconds(2), TestAppservices.Irc);
        });
        server.Devices.Add("@_irc_bob:hs1", "G1");
        await server.Login("@alice:hs1", "A1").SendAsync("t1", "@_irc_bob:hs1", "G1");
        for (var failures = 1; failures <= 8; failures++) (await TestAppservices.Of(server).NextAsync()).Fails();
        (await TestAppservices.Of(server).NextAsync()).Fails(429, TimeSpan.FromHours(1));
        (await TestAppservices.Of(server).NextAsync()).Received();

        var told = log.Entries.Where(entry => entry.Id.Id == 20).Select(entry => entry.Text).ToList();
        Assert.That(told, Has.Count.EqualTo(9));
        Assert.That(told[7], Does.Contain("appservice irc failed: The answer was 502. Failures in a row: 8"));
        Assert.That(told[8], Does.Contain("[Pause, 00:00:00.0020000]"), "as long as it was asked for, and no longer than the longest");
    }

    [Test]
    public async Task R105_an_answer_that_does_not_come_in_time_is_a_failure()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => TestAppservices.Add(builder, options => options.SendTimeout = TimeSpan.FromMilliseconds(20), TestAppservices.Irc));
        using var measured = CapturedMetrics.Of(server);
        server.Devices.Add("@_irc_bob:hs1", "G1");
        await server.Login("@alice:hs1", "A1").SendAsync("t1", "@_irc_bob:hs1", "G1");

        var first = await TestAppservices.Of(server).NextAsync();
        var again = await TestAppservices.Of(server).NextAsync();
        again.Received();

        await measured.ReachAsync("matrix.to_device.appservice.transaction.duration", 2);
        Assert.That((again.Id, again.Body), Is.EqualTo((first.Id, first.Body)));
        Assert.That(
            measured["matrix.to_device.appservice.transaction.duration"].Select(duration => duration.Tags),
            Does.Contain("outcome=failed").And.Contain("outcome=received"));
    }

    [Test]
    public void D16_a_store_without_an_outbox_is_refused_at_the_start() => Assert.That(
        async () => await TestHomeserver.StartAsync(builder =>
        {
            TestAppservices.Add(builder, TestAppservices.Irc);
            builder.Services.RemoveAll<IFederationOutbox>();
        }),
        Throws.InvalidOperationException.With.Message.Contains("UseAppservices() needs a store"));

    [Test]
    public void R100_two_appservices_with_one_ID_are_refused_at_the_start() => Assert.That(
        async () => await TestHomeserver.StartAsync(builder => TestAppservices.Add(builder, TestAppservices.Irc, new Appservice("irc", "@b:hs1", []))),
        Throws.InstanceOf<OptionsValidationException>().With.Message.Contains("irc"));

    [Test]
    public void R100_a_namespace_that_cannot_be_used_stops_the_host_at_its_start() => Assert.That(
        async () => await TestHomeserver.StartAsync(builder => TestAppservices.Add(
            builder, options => options.Appservices.Add(new Appservice("a", "@a:hs1", [new AppserviceNamespace("(", true)])))),
        Throws.ArgumentException.With.Message.Contains("'('"));

    [TestCase(nameof(AppserviceOptions.MaxTransactionBytes))]
    [TestCase(nameof(AppserviceOptions.SendTimeout))]
    [TestCase(nameof(AppserviceOptions.MinPause))]
    [TestCase(nameof(AppserviceOptions.MaxPause))]
    [TestCase(nameof(AppserviceOptions.LeaseDuration))]
    [TestCase(nameof(AppserviceOptions.PollInterval))]
    [TestCase(nameof(AppserviceOptions.Expiry))]
    public void D16_an_option_that_cannot_work_stops_the_host_at_its_start(string option) => Assert.That(
        async () => await TestHomeserver.StartAsync(builder => TestAppservices.Add(builder, options =>
        {
            var property = typeof(AppserviceOptions).GetProperty(option)!;
            property.SetValue(options, property.PropertyType == typeof(int) ? 0 : TimeSpan.Zero);
        })),
        Throws.InstanceOf<OptionsValidationException>().With.Message.Contains($"AppserviceOptions.{option}"));

    private static async Task Looks(HookedOutbox outbox, int count)
    {
        var seen = 0;
        var before = outbox.Before;
        outbox.Before = method =>
        {
            before(method);
            if (method == nameof(IFederationOutbox.AcquireTheseAsync)) Interlocked.Increment(ref seen);
        };
        while (Volatile.Read(ref seen) < count) await TimeLimit.OneMoreTurnAsync();
        outbox.Before = before;
    }

    /// <summary>The store's clock stands still: a pause is over when it is moved.</summary>
    private static async Task NextMomentAsync(TestTime time)
    {
        time.Advance(TimeSpan.FromMilliseconds(10));
        await TimeLimit.OneMoreTurnAsync();
    }

    private static async Task<TestAppservices.Push> NextAsync(TestHomeserver server, TestTime time)
    {
        var next = TestAppservices.Of(server).NextAsync();
        while (!next.IsCompleted) await NextMomentAsync(time);
        return await next;
    }

    /// <summary>An outbox as a stranger's may be, which has not heard of <see cref="IFederationOutbox.AcquireTheseAsync"/>.</summary>
    private sealed class LineOutbox(IFederationOutbox outbox) : IFederationOutbox
    {
        public ValueTask AppendAsync(IToDeviceTransaction transaction, IReadOnlyList<OutboundEdu> edus, CancellationToken cancellationToken) =>
            outbox.AppendAsync(transaction, edus, cancellationToken);

        public ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken) =>
            outbox.ReadAsync(destination, after, limit, cancellationToken);

        public ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken) =>
            outbox.RemoveAsync(destination, edus, cancellationToken);

        public ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken) =>
            outbox.ListDestinationsAsync(after, limit, cancellationToken);

        public ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
            string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken) =>
            outbox.AcquireAsync(holder, duration, limit, failingLimit, longestPause, cancellationToken);

        public ValueTask<bool> RenewAsync(string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken) =>
            outbox.RenewAsync(destination, holder, duration, sendingUpTo, cancellationToken);

        public ValueTask ReleaseAsync(string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken) =>
            outbox.ReleaseAsync(destination, holder, failures, pause, cancellationToken);
    }
}
