using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>What is measured of the store: how long its commits take, what fails, what comes again.</summary>
public class StoreMetricsTests
{
    private const string Commits = "matrix.to_device.store.commit.duration", Errors = "matrix.to_device.store.errors",
        Retries = "matrix.to_device.recognised_retries", Redelivered = "matrix.to_device.redelivered", WakeUps = "matrix.to_device.wake_ups";

    private static readonly DeviceAddress s_bob = new("@bob:hs1", "B1");

    private TestHomeserver _server = null!;
    private TestClient _alice = null!, _bob = null!;
    private CapturedMetrics _metrics = null!;

    [TearDown]
    public async Task StopAsync()
    {
        _metrics.Dispose();
        await _server.DisposeAsync();
    }

    [Test]
    public async Task D17_each_commit_is_timed_by_its_outcome()
    {
        await StartAsync(HookedStore.Add);
        var store = _server.Services.GetRequiredService<HookedStore>();
        (await _alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        // The first attempt meets a removal that it did not know of.
        var isRemoved = false;
        store.BeforeCommit = async () =>
        {
            if (isRemoved) return;
            isRemoved = true;
            await _server.ToDevice.RemoveDeviceAsync(s_bob, default);
        };
        (await _alice.SendAsync("t2", "@bob:hs1", "B1")).ShouldBeAccepted();
        store.BeforeCommit = () => throw new IOException("The disk is full.");
        (await _alice.SendAsync("t3", "@bob:hs1", "B1")).ShouldBe(503, "M_UNKNOWN");

        Assert.That(_metrics[Commits].Select(commit => commit.Tags), Is.EqualTo(new[] { "outcome=committed", "outcome=device_removed", "outcome=committed", "outcome=failed" }));
        Assert.That(_metrics[Commits].Select(commit => commit.Value), Has.All.Not.Negative.And.All.LessThan(60));
        Assert.That(_metrics[Errors].Select(error => error.Tags), Is.EqualTo(new[] { "operation=commit" }));
    }

    /// <summary>The key is known only at the commit: somebody else was faster.</summary>
    [Test]
    public async Task R41_a_commit_that_finds_its_key_committed_is_timed_as_such_and_is_a_recognised_retry()
    {
        await StartAsync(HookedStore.Add);
        var store = _server.Services.GetRequiredService<HookedStore>();
        var isFirst = true;
        store.BeforeCommit = async () =>
        {
            if (!isFirst) return;
            isFirst = false;
            (await _alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        };
        (await _alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That(_metrics[Commits].Select(commit => commit.Tags), Is.EqualTo(new[] { "outcome=committed", "outcome=already_committed" }));
        Assert.That(_metrics[Retries].Select(retry => retry.Tags), Is.EqualTo(new[] { "kind=send" }));
    }

    [Test]
    public async Task R41_D15_a_retry_of_a_send_and_of_an_EDU_is_recognised()
    {
        await StartAsync();
        for (var n = 0; n < 3; n++) (await _alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        var receiver = _server.Services.GetRequiredService<FederationReceiver>();
        var edu = """{"sender":"@carol:hs2","type":"m.test","message_id":"m1","messages":{"@bob:hs1":{"*":{}}}}"""u8.ToArray();
        for (var n = 0; n < 2; n++) await receiver.ReceiveAsync("hs2", edu, default);

        Assert.That(_metrics[Retries].Select(retry => (retry.Tags, retry.Value)), Is.EqualTo(new[] { ("kind=send", 1.0), ("kind=send", 1.0), ("kind=edu", 1.0) }));
    }

    [TestCase("ITransactionStore.BeginAsync", "begin")]
    [TestCase("IDeviceInbox.AppendAsync", "append")]
    [TestCase("IFederationOutbox.AppendAsync", "outbox_append")]
    [TestCase("IDeviceInbox.ReadAsync", "read")]
    [TestCase("IDeviceInbox.AcknowledgeAsync", "acknowledge")]
    [TestCase("IDeviceInbox.RemoveDeviceAsync", "remove_device")]
    public async Task D3_a_call_of_the_store_that_fails_is_counted_by_its_operation(string method, string operation)
    {
        await StartAsync(builder => FailingSeam.Add(builder, method));
        var since = SinceOf(s_bob);

        await _alice.PutAsync("m.test", "t1", """{"messages":{"@bob:hs1":{"B1":{}},"@carol:hs2":{"C1":{}}}}""");
        await _bob.SendAsync(HttpMethod.Get, $"/_matrix/client/v3/sync?timeout=0&since={since}");
        try
        {
            await _server.LogoutAsync("@bob:hs1", "B1");
        }
        catch (IOException)
        {
        }

        Assert.That(_metrics[Errors].Select(error => error.Tags).Distinct(), Is.EqualTo(new[] { $"operation={operation}" }));
    }

    [TestCase("IFederationOutbox.ReadAsync", "outbox_read")]
    [TestCase("IFederationOutbox.RemoveAsync", "outbox_remove")]
    [TestCase("IFederationOutbox.AcquireAsync", "outbox_acquire")]
    [TestCase("IFederationOutbox.RenewAsync", "outbox_renew")]
    [TestCase("IFederationOutbox.ReleaseAsync", "outbox_release")]
    public async Task D16_a_call_of_the_outbox_that_fails_is_counted_by_its_operation(string method, string operation)
    {
        await StartAsync(builder =>
        {
            FailingSeam.Add(builder, method);
            TestTransport.Add(builder);
        });
        (await _alice.SendAsync("t1", "@carol:hs2", "C1")).ShouldBeAccepted();
        var peer = TestTransport.Of(_server);
        if (operation is "outbox_remove" or "outbox_release") (await peer.NextAsync()).Received();

        while (!_metrics[Errors].Any(error => error.Tags == $"operation={operation}")) await TimeLimit.OneMoreTurnAsync();
    }

    [Test]
    public async Task R104_a_list_of_destinations_that_fails_is_counted()
    {
        await StartAsync(builder =>
        {
            FailingSeam.Add(builder, "IFederationOutbox.ListDestinationsAsync");
            TestAppservices.Add(builder, TestAppservices.Irc);
        });

        while (!_metrics[Errors].Any(error => error.Tags == "operation=outbox_list")) await TimeLimit.OneMoreTurnAsync();
    }

    [Test]
    public async Task A_call_that_its_caller_has_cancelled_is_no_error()
    {
        await StartAsync(HookedInbox.Add);
        using var gone = new CancellationTokenSource();
        _server.Services.GetRequiredService<HookedInbox>().BeforeRead = async _ =>
        {
            await gone.CancelAsync();
            gone.Token.ThrowIfCancellationRequested();
        };

        Assert.That(async () => await _server.ToDevice.NextAsync(s_bob, null, TimeSpan.Zero, gone.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(_metrics[Errors], Is.Empty);
    }

    [Test]
    public async Task R56_what_was_handed_out_before_is_redelivered_and_what_has_come_since_is_not()
    {
        await StartAsync();
        for (var n = 1; n <= 3; n++) await _alice.SendAsync($"t{n}", "@bob:hs1", "B1");
        var first = await _bob.SyncAsync();
        Assert.That(_metrics[Redelivered], Is.Empty);

        await _alice.SendAsync("t4", "@bob:hs1", "B1");
        var again = await _bob.SyncAsync();
        Assert.That((again.Events.Count, Sum(Redelivered)), Is.EqualTo((4, 3)));

        // The token of the first one: the last of these was handed out before, too.
        await _bob.SyncAsync(first.NextBatch);
        Assert.That(Sum(Redelivered), Is.EqualTo(4));

        await _alice.SendAsync("t5", "@bob:hs1", "B1");
        await _bob.SyncAsync(again.NextBatch);
        Assert.That(Sum(Redelivered), Is.EqualTo(4));
    }

    [Test]
    public async Task R53_a_smaller_page_of_what_was_handed_out_is_redelivered_too()
    {
        await StartAsync();
        for (var n = 1; n <= 3; n++) await _alice.SendAsync($"t{n}", "@bob:hs1", "B1");
        await HandOutAsync(limit: 3);
        await HandOutAsync(limit: 2);
        await HandOutAsync(limit: 3);
        Assert.That(_metrics[Redelivered].Select(again => again.Value), Is.EqualTo(new[] { 2.0, 3.0 }));
    }

    [Test]
    public async Task D6_a_later_device_of_the_same_ID_gets_nothing_again()
    {
        await StartAsync();
        await _alice.SendAsync("t1", "@bob:hs1", "B1");
        await HandOutAsync(limit: 1);
        await _server.ToDevice.RemoveDeviceAsync(s_bob, default);
        await _alice.SendAsync("t2", "@bob:hs1", "B1");
        await HandOutAsync(limit: 1);
        Assert.That(_metrics[Redelivered], Is.Empty);
    }

    [Test]
    public async Task D13_a_wait_that_a_signal_ends_is_a_wake_up_and_one_that_finds_a_message_by_looking_is_a_missed_one()
    {
        await StartAsync(builder =>
        {
            OtherHost.UseStore(builder);
            HookedInbox.Add(builder);
            builder.Services.Configure<SendToDeviceOptions>(options => options.SyncPollInterval = TimeSpan.FromMilliseconds(20));
        });
        using var waiting = WaitingSyncs.Of(_server.Services);
        var inbox = _server.Services.GetRequiredService<HookedInbox>();
        inbox.IsSignalled = () => true;

        var poll = _server.ToDevice.NextAsync(s_bob, null, TimeSpan.FromMinutes(1), default).AsTask();
        await waiting.ReachesAsync(1);
        await _alice.SendAsync("t1", "@bob:hs1", "B1");
        using (await poll.WaitAsync(TimeLimit.OfOneWait))
            Assert.That(_metrics[WakeUps].Select(wakeUp => wakeUp.Tags), Is.EqualTo(new[] { "cause=signal" }));

        // What was there at once has ended no wait.
        using (await _server.ToDevice.NextAsync(s_bob, null, TimeSpan.FromMinutes(1), default))
            Assert.That(_metrics[WakeUps].Count(), Is.EqualTo(1));

        inbox.IsSignalled = () => false;
        var since = (await _bob.SyncAsync()).NextBatch;
        poll = _server.ToDevice.NextAsync(s_bob, since, TimeSpan.FromMinutes(1), default).AsTask();
        await waiting.ReachesAsync(1);
        await CommitUnnoticedAsync();
        using (await poll.WaitAsync(TimeLimit.OfOneWait))
            Assert.That(_metrics[WakeUps].Select(wakeUp => wakeUp.Tags), Is.EqualTo(new[] { "cause=signal", "cause=look" }));
    }

    private async Task CommitUnnoticedAsync()
    {
        var transactions = _server.Services.GetRequiredService<ITransactionStore>();
        var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", "elsewhere");
        await using var transaction = (await transactions.BeginAsync(key, transactions.KnownRemovals, default))!;
        await _server.Services.GetRequiredService<IDeviceInbox>().AppendAsync(
            transaction, [new ToDeviceMessage(s_bob, "@alice:hs1", "m.test", "{}"u8.ToArray(), 1)], default);
        await transaction.CommitAsync(default);
    }

    private async Task HandOutAsync(int limit)
    {
        using var batch = await _server.ToDevice.NextAsync(s_bob, null, limit, TimeSpan.Zero, default);
        Assert.That(batch.Events, Has.Count.EqualTo(limit));
    }

    private double Sum(string name) => _metrics[name].Sum(measurement => measurement.Value);

    /// <summary>A token that acknowledges something, of a server that has it.</summary>
    private static string SinceOf(DeviceAddress device)
    {
        using var page = new InboxPage([new InboxMessage(new InboxPosition(1, 1), "@alice:hs1", "m.test", "{}"u8.ToArray())], hasMore: false);
        var services = new ServiceCollection();
        services.AddSendToDevice().UseInMemory();
        services.Replace(ServiceDescriptor.Singleton<IDeviceInbox>(new OnePage(page)));
        using var provider = services.BuildServiceProvider();
        return provider.GetRequiredService<ToDeviceSync>().NextAsync(device, null, TimeSpan.Zero, default).AsTask().GetAwaiter().GetResult().NextBatch;
    }

    private async Task StartAsync(Action<ISendToDeviceBuilder>? configure = null)
    {
        _server = await TestHomeserver.StartAsync(configure);
        _metrics = CapturedMetrics.Of(_server);
        _alice = _server.Login("@alice:hs1", "A1");
        _bob = _server.Login("@bob:hs1", "B1");
    }

    private sealed class OnePage(InboxPage page) : IDeviceInbox
    {
        public ValueTask AppendAsync(IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken) => default;

        public ValueTask<InboxPage> ReadAsync(DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken) => new(page);

        public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken) => new(0);

        public ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) => default;
    }
}
