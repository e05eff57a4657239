namespace Matrix.ToDevice.Tests;

/// <summary>Inboxes count right however many there are, and however much is taken from them at once.</summary>
public class InMemoryInboxTests
{
    private MemoryLoad _store = null!;
    private int _sends;

    [SetUp]
    public void SetUp() => _store = new MemoryLoad(256 << 20);

    [TearDown]
    public async Task TearDownAsync() => await _store.DisposeAsync();

    /// <summary>More than go under one hold of the lock, with ends at every place of a link, and messages behind them.</summary>
    [Test]
    public async Task R52_an_acknowledgement_of_thousands_leaves_exactly_what_is_behind_it()
    {
        var device = MemoryLoad.Bob;
        var (last, acknowledged) = (0, 0);
        for (var count = 1000; count < 1020; count++)
        {
            for (var n = 0; n < count + 20; n++) await SendAsync(device, ++last);
            acknowledged += count;

            Assert.That(await AcknowledgeAsync(device, acknowledged), Is.EqualTo(count));
            await ExpectSizeAsync(device, acknowledged + 1, last, $"{count} were acknowledged");
            Assert.That(await AcknowledgeAsync(device, acknowledged), Is.Zero, "it was acknowledged before");
        }

        for (; acknowledged < last; acknowledged++)
            Assert.That(await AcknowledgeAsync(device, acknowledged + 1), Is.EqualTo(1), $"message {acknowledged + 1} is the next one");
        await SendAsync(device, ++last);
        Assert.That(await AcknowledgeAsync(device, last), Is.EqualTo(1), "an emptied inbox counts on");
    }

    /// <summary>Thousands of devices that come, get messages, take some and go, against a dictionary.</summary>
    [TestCase(1)]
    [TestCase(2)]
    public async Task Inboxes_are_those_of_a_model_while_devices_come_and_go(int seed)
    {
#pragma warning disable CA5394 // A seed repeats them.
        var random = new Random(seed);
        var model = new Dictionary<DeviceAddress, (int First, int Last)>();
        for (var step = 0; step < 100_000; step++)
        {
            var device = new DeviceAddress($"@user{random.Next(1000)}:hs1", $"D{random.Next(4)}");
            var (first, last) = model.GetValueOrDefault(device, (1, 0));
            // Many come, then many go.
            var goes = step / 25_000 % 2 == 1 ? 5 : 1;
            switch (random.Next(10))
            {
                case var dice when dice < goes:
                    await _store.Inbox.RemoveDeviceAsync(device, default);
                    model.Remove(device);
                    break;
                case 8 when last >= first:
                    var upTo = random.Next(first, last + 1);
                    Assert.That(await AcknowledgeAsync(device, upTo), Is.EqualTo(upTo - first + 1), $"step {step}");
                    model[device] = (upTo + 1, last);
                    await ExpectSizeAsync(device, upTo + 1, last, $"step {step}");
                    break;
                case 9:
                    Assert.That(await AcknowledgeAsync(device, last + 1), Is.Zero, $"step {step}: it lies ahead");
                    break;
                default:
                    await SendAsync(device, last + 1);
                    model[device] = (first, last + 1);
                    await ExpectSizeAsync(device, first, last + 1, $"step {step}");
                    break;
            }
        }

        Assert.That(model, Has.Count.GreaterThan(100), "the model has been busy");
        foreach (var (device, (first, last)) in model)
            if (last >= first) Assert.That(await AcknowledgeAsync(device, last), Is.EqualTo(last - first + 1), $"{device}");
#pragma warning restore CA5394
    }

    /// <summary>The send ID tells where the message has to stand: an acknowledgement of another place finds another one.</summary>
    private async Task SendAsync(DeviceAddress device, int sequence)
    {
        var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", $"{++_sends}");
        await using var transaction = (await _store.Transactions.BeginAsync(key, _store.Transactions.KnownRemovals, default))!;
        await _store.Inbox.AppendAsync(transaction, [new ToDeviceMessage(device, "@alice:hs1", "m.test", new byte[LengthOf(sequence)], -sequence)], default);
        Assert.That(await transaction.CommitAsync(default), Is.EqualTo(CommitResult.Committed));
    }

    private async Task ExpectSizeAsync(DeviceAddress device, int first, int last, string reason)
    {
        var expected = new InboxSize(last - first + 1, Enumerable.Range(first, last - first + 1).Sum(LengthOf));
        var found = await _store.Upkeep.MeasureAsync([device], new InboxSize(long.MaxValue, long.MaxValue), default);
        Assert.That(found[0], Is.EqualTo(expected), $"{device}, {reason}");
    }

    private static int LengthOf(int sequence) => 2 + (sequence * 7 % 23);

    private ValueTask<int> AcknowledgeAsync(DeviceAddress device, int sequence) =>
        _store.Inbox.AcknowledgeAsync(device, new InboxPosition(sequence, -sequence), default);
}
