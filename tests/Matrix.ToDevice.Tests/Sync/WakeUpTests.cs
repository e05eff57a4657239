using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>Who is woken, and by what. Here nobody looks by themselves: a wake-up that does not come fails the test (R57, D13).</summary>
public class WakeUpTests
{
    private static readonly DeviceAddress[] s_devices = [new("@bob:hs1", "B1"), new("@bob:hs1", "B2"), new("@carol:hs1", "C1")];

    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private WaitingSyncs _waiting = null!;

    private IInboxSignals Signals => _server.Services.GetRequiredService<IInboxSignals>();

    [SetUp]
    public async Task StartAsync()
    {
        _server = await TestHomeserver.StartAsync(builder =>
        {
            OtherHost.UseStore(builder);
            HookedInbox.Add(builder);
            builder.Services.Configure<SendToDeviceOptions>(options => options.SyncPollInterval = TimeSpan.FromDays(1));
        });
        _alice = _server.Login("@alice:hs1", "A1");
        foreach (var device in s_devices) _server.Devices.Add(device.UserId, device.DeviceId);
        _waiting = WaitingSyncs.Of(_server.Services);
    }

    [TearDown]
    public async Task StopAsync()
    {
        _waiting.Dispose();
        await _server.DisposeAsync();
    }

    [Test]
    public async Task R57_a_send_wakes_every_device_that_it_is_for()
    {
        var polls = await AllWaitAsync();

        await _alice.PutAsync("m.test", "t1", """{"messages":{"@bob:hs1":{"*":{}},"@carol:hs1":{"C1":{}}}}""");

        Assert.That(await CountsAsync(polls), Is.EqualTo(new[] { 1, 1, 1 }));
    }

    [Test]
    public async Task R57_D13_each_further_message_wakes_again()
    {
        string? since = null;
        for (var n = 1; n <= 3; n++)
        {
            var poll = await WaitsAsync(s_devices[0], since);
            await _alice.SendAsync($"t{n}", "@bob:hs1", "B1");
            using var batch = await poll.WaitAsync(TimeLimit.OfOneWait);
            Assert.That(batch.Events, Has.Count.EqualTo(1));
            since = batch.NextBatch;
        }
    }

    /// <summary>What one sync needs no longer, another one of the same device still waits for.</summary>
    [Test]
    public async Task D13_a_sync_that_ends_takes_no_wake_up_from_another_one_of_its_device()
    {
        using var gone = new CancellationTokenSource();
        var first = await WaitsAsync(s_devices[0], cancellationToken: gone.Token);
        var second = await WaitsAsync(s_devices[0]);
        await gone.CancelAsync();
        Assert.That(async () => await first.WaitAsync(TimeLimit.OfOneWait), Throws.InstanceOf<OperationCanceledException>());

        await _alice.SendAsync("t1", "@bob:hs1", "B1");

        Assert.That(await CountsAsync(second), Is.EqualTo(new[] { 1 }));
    }

    /// <summary>A store that several hosts share says what another host has committed.</summary>
    [Test]
    public async Task D13_a_store_wakes_a_device_for_a_message_of_another_host()
    {
        var polls = await AllWaitAsync();
        await SendOnAnotherHostAsync();

        Signals.MessagesArrived(s_devices[1]);
        Assert.That(await CountsAsync(polls[1]), Is.EqualTo(new[] { 1 }));
        Assert.That(polls[0].IsCompleted || polls[2].IsCompleted, Is.False, "a wake-up is for one device");

        Signals.Missed();
        Assert.That(await CountsAsync(polls[0], polls[2]), Is.EqualTo(new[] { 1, 1 }));
    }

    [Test]
    public async Task D6_a_store_ends_the_waiting_of_a_device_that_was_removed_on_another_host()
    {
        var polls = await AllWaitAsync();

        Signals.DeviceRemoved(s_devices[0]);

        Assert.That(await CountsAsync(polls[0]), Is.EqualTo(new[] { 0 }));
        Assert.That(polls[1].IsCompleted || polls[2].IsCompleted, Is.False);
        Signals.DeviceRemoved(s_devices[1]);
        Signals.DeviceRemoved(s_devices[2]);
        Assert.That(await CountsAsync(polls[1..]), Is.EqualTo(new[] { 0, 0 }));
    }

    private async Task<Task<ToDeviceBatch>[]> AllWaitAsync()
    {
        var polls = new List<Task<ToDeviceBatch>>();
        foreach (var device in s_devices) polls.Add(await WaitsAsync(device));
        return [.. polls];
    }

    /// <summary>A sync that has looked into the inbox, and does not look again without a wake-up.</summary>
    private async Task<Task<ToDeviceBatch>> WaitsAsync(DeviceAddress device, string? since = null, CancellationToken cancellationToken = default)
    {
        var inbox = _server.Services.GetRequiredService<HookedInbox>();
        var looked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        inbox.AfterRead = _ =>
        {
            looked.TrySetResult();
            return Task.CompletedTask;
        };
        var poll = _server.ToDevice.NextAsync(device, since, TimeSpan.FromMinutes(5), cancellationToken).AsTask();
        await looked.Task;
        inbox.AfterRead = _ => Task.CompletedTask;
        return poll;
    }

    /// <summary>Sends to all devices, through the same store and without a word to this host's waiting syncs.</summary>
    private async Task SendOnAnotherHostAsync()
    {
        var (transactions, inbox) = (_server.Services.GetRequiredService<ITransactionStore>(), _server.Services.GetRequiredService<IDeviceInbox>());
        var key = new TransactionKey("@alice:hs1", "A2", TransactionKey.SendToDevice, "m.test", "t1");
        await using var transaction = (await transactions.BeginAsync(key, transactions.KnownRemovals, default))!;
        await inbox.AppendAsync(
            transaction, [.. s_devices.Select(device => new ToDeviceMessage(device, "@alice:hs1", "m.test", "{}"u8.ToArray(), 1))], default);
        Assert.That(await transaction.CommitAsync(default), Is.EqualTo(CommitResult.Committed));
    }

    private static async Task<int[]> CountsAsync(params Task<ToDeviceBatch>[] polls)
    {
        var counts = new List<int>();
        foreach (var poll in polls)
        {
            using var batch = await poll.WaitAsync(TimeLimit.OfOneWait);
            counts.Add(batch.Events.Count);
        }

        return [.. counts];
    }
}
