namespace Matrix.ToDevice.Tests;

/// <summary>Records are forgotten by their last use, whatever has happened to the clock, and go with their device (D5, D6).</summary>
public class InMemoryRecordTests
{
    private static readonly TimeSpan s_retention = TimeSpan.FromHours(24);

    private readonly TestTime _time = new();
    private MemoryLoad _store = null!;

    [SetUp]
    public void SetUp() => _store = new MemoryLoad(64 << 20, _time);

    [TearDown]
    public async Task TearDownAsync() => await _store.DisposeAsync();

    [Test]
    public async Task D5_a_record_that_was_used_again_is_kept_for_its_retention_from_then_and_no_longer()
    {
        await SendAsync("A1", "t1");
        for (var hour = 1; hour <= 22; hour++)
        {
            _time.Advance(TimeSpan.FromHours(1));
            await SendAsync("A1", $"at {hour}");
        }

        Assert.That(await SendAsync("A1", "t1"), Is.EqualTo(CommitResult.AlreadyCommitted));
        _time.Advance(s_retention);
        Assert.That(await PurgeAsync(), Is.EqualTo(21), "those of the hours before");
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.That(await PurgeAsync(), Is.EqualTo(2), "that of the same hour, and the one that was used again then");
        Assert.That(await SendAsync("A1", "t1"), Is.EqualTo(CommitResult.Committed));
    }

    [Test]
    public async Task D5_a_record_of_a_time_when_the_clock_was_ahead_keeps_no_other()
    {
        _time.Advance(TimeSpan.FromDays(365));
        await SendAsync("A1", "ahead");
        await SendAsync("A1", "ahead, and used again");
        _time.Advance(-TimeSpan.FromDays(365));
        for (var n = 0; n < 10; n++) await SendAsync("A1", $"t{n}");
        await SendAsync("A1", "ahead, and used again");

        _time.Advance(s_retention + TimeSpan.FromTicks(1));
        Assert.That(await PurgeAsync(), Is.EqualTo(11));
        Assert.That(await SendAsync("A1", "ahead"), Is.EqualTo(CommitResult.AlreadyCommitted), "its time has not come");
    }

    [Test]
    public async Task D6_the_records_of_a_device_that_was_removed_go_however_many_they_are()
    {
        for (var n = 0; n < 2000; n++)
        {
            await SendAsync("A1", $"t{n}");
            await SendAsync("A2", $"t{n}");
        }

        await _store.Inbox.RemoveDeviceAsync(Device("A1"), default);

        for (var n = 0; n < 2000; n++)
        {
            Assert.That(await SendAsync("A1", $"t{n}"), Is.EqualTo(CommitResult.Committed), "the later device's own");
            Assert.That(await SendAsync("A2", $"t{n}"), Is.EqualTo(CommitResult.AlreadyCommitted));
        }
    }

    /// <summary>They go in steps, and a later device with the same ID sends meanwhile.</summary>
    [Test]
    public async Task D6_the_records_of_a_removed_device_count_no_more_while_they_go()
    {
        for (var n = 0; n < 100_000; n++) await SendAsync("A1", $"t{n}");
        var known = _store.Transactions.KnownRemovals;
        var removal = Task.Run(async () => await _store.Inbox.RemoveDeviceAsync(Device("A1"), default));
        Assert.That(SpinWait.SpinUntil(() => _store.Transactions.KnownRemovals > known, TimeSpan.FromSeconds(30)));

        Assert.That(await SendAsync("A1", "t0"), Is.EqualTo(CommitResult.Committed), "the later device's own");
        await removal.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.That(await SendAsync("A1", "t0"), Is.EqualTo(CommitResult.AlreadyCommitted));
        Assert.That(await SendAsync("A1", "t1"), Is.EqualTo(CommitResult.Committed));
        _time.Advance(s_retention + TimeSpan.FromTicks(1));
        Assert.That(await PurgeAsync(), Is.EqualTo(2), "nothing is left of the earlier one");
    }

    [Test]
    public async Task A_purge_forgets_as_many_as_it_is_told_in_the_order_of_their_last_use()
    {
        for (var n = 0; n < 1000; n++)
        {
            await SendAsync("A1", $"t{n}");
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        _time.Advance(s_retention);
        Assert.That(await PurgeAsync(300), Is.EqualTo(300));
        for (var n = 0; n < 1000; n++)
            Assert.That(await SendAsync("A1", $"t{n}"), Is.EqualTo(n < 300 ? CommitResult.Committed : CommitResult.AlreadyCommitted), $"t{n}");
    }

    /// <summary>Sends, retries, removals and purges at random, with a clock that goes forward and back, against a dictionary.</summary>
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    public async Task D5_records_are_those_of_a_model_whatever_the_clock_does(int seed)
    {
#pragma warning disable CA5394 // A seed repeats them.
        var random = new Random(seed);
        var model = new Dictionary<(string Device, string TxnId), DateTimeOffset>();
        for (var step = 0; step < 20_000; step++)
        {
            var device = $"A{random.Next(5)}";
            switch (random.Next(1000))
            {
                case < 3:
                    await _store.Inbox.RemoveDeviceAsync(Device(device), default);
                    foreach (var key in model.Keys.Where(key => key.Device == device).ToList()) model.Remove(key);
                    break;
                case < 20:
                    var atMost = random.Next(1, 500);
                    var due = model.Where(record => record.Value < _time.GetUtcNow() - s_retention).OrderBy(record => record.Value).ToList();
                    Assert.That(await PurgeAsync(atMost), Is.EqualTo(Math.Min(atMost, due.Count)), $"step {step}");
                    foreach (var (key, _) in due.Take(atMost)) model.Remove(key);
                    break;
                case < 40:
                    _time.Advance(TimeSpan.FromMinutes(random.Next(-600, 1000)) + TimeSpan.FromTicks(step));
                    break;
                default:
                    // No two at one time: which of those goes first is nobody's business.
                    _time.Advance(TimeSpan.FromTicks(1));
                    var send = (device, $"t{random.Next(2000)}");
                    Assert.That(
                        await SendAsync(send.device, send.Item2),
                        Is.EqualTo(model.ContainsKey(send) ? CommitResult.AlreadyCommitted : CommitResult.Committed), $"step {step}");
                    model[send] = _time.GetUtcNow();
                    break;
            }
        }

        Assert.That(model, Has.Count.GreaterThan(100), "the model has been busy");
#pragma warning restore CA5394
    }

    private static DeviceAddress Device(string id) => new("@alice:hs1", id);

    private async Task<CommitResult> SendAsync(string device, string txnId)
    {
        var key = new TransactionKey("@alice:hs1", device, TransactionKey.SendToDevice, "m.test", txnId);
        await using var transaction = (await _store.Transactions.BeginAsync(key, _store.Transactions.KnownRemovals, default))!;
        return await transaction.CommitAsync(default);
    }

    private async Task<int> PurgeAsync(int atMost = int.MaxValue) =>
        await _store.Transactions.PurgeAsync(TransactionKey.SendToDevice, _time.GetUtcNow() - s_retention, atMost, default);
}
