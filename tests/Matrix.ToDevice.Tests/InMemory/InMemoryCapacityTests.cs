using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice.Tests;

/// <summary><see cref="InMemoryOptions.CapacityBytes"/> is what the store takes of memory at the most, whatever it is sent.</summary>
public class InMemoryCapacityTests
{
    private const int Capacity = 16 << 20;

    private static IReadOnlyList<object> Loads => MemoryLoads.All;

    // The whole process is measured: on a busy machine, what earlier tests have left may go in the middle of it, however often it was
    // collected before. A store that takes too much does so each time.
    [TestCaseSource(nameof(Loads))]
    [NonParallelizable]
    [Retry(3)]
    public async Task The_store_takes_no_more_memory_than_its_capacity(object load)
    {
        var before = MemoryInUse();
        var (taken, full) = await RunAsync((MemoryLoadKind)load);

        // What others in this process have come to take meanwhile is there without the store too; what of the store is collected late
        // is so as well.
        var share = (full - Math.Max(before, MemoryInUse())) / (double)Capacity;
        var most = (full - before) / (double)Capacity;
        TestContext.Out.WriteLine($"{load}: {taken} sends, {share:F2} of the capacity");
        Assert.That(taken, Is.Positive);
        Assert.That(share, Is.LessThan(1.2));
        if (((MemoryLoadKind)load).Fills) Assert.That(most, Is.GreaterThan(0.6), "it is not full before it takes about that much");
        else Assert.That(share, Is.LessThan(0.25), "what is not used any more goes");
    }

    // A frame of its own, so that nothing of the store is kept behind it.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<(int Taken, long InUse)> RunAsync(MemoryLoadKind load)
    {
        await using var store = new MemoryLoad(Capacity);
        return (await load.RunAsync(store), MemoryInUse());
    }

    // Without what earlier tests have left, and not when it is about right: a twentieth of the whole process is much here. What pools and
    // timers of others hold goes with some collection, and not with the first: it is asked for until no less is left.
    private static long MemoryInUse()
    {
        var least = long.MaxValue;
        for (var same = 0; same < 3; same++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
            var bytes = GC.GetTotalMemory(forceFullCollection: false);
            if (bytes < least - 100_000) same = 0;
            least = Math.Min(least, bytes);
        }

        return least;
    }

    [Test]
    public async Task Room_of_contents_of_one_size_is_room_for_those_of_another()
    {
        await using var store = new MemoryLoad(Capacity);
        foreach (var bytes in (int[])[60_000, 100, 700_000, 5_000, 60_000])
        {
            var taken = await store.FillAsync(bytes);
            Assert.That((long)taken * bytes, Is.GreaterThan(bytes == 100 ? Capacity / 5 : Capacity / 2), $"{taken} contents of {bytes} bytes");

            Assert.That(await store.AcknowledgeAsync(MemoryLoad.Bob), Is.EqualTo(taken));
            await store.PurgeAsync();
        }
    }

    [Test]
    public async Task A_send_that_does_not_fit_is_refused_before_its_commit_and_gives_back_what_it_had_got()
    {
        await using var store = new MemoryLoad(Capacity);
        var tooMuch = new byte[Capacity];
        for (var n = 0; n < 100; n++)
        {
            await using var transaction = await store.BeginAsync(new());
            Assert.That(await store.TryAppendAsync(transaction, new(Bytes: 300, Messages: 50)), "there is room for a small one");
            Assert.That(
                async () => await store.Inbox.AppendAsync(transaction, [Message(50_000), Message(900_000), Message(2) with { Content = tooMuch }], default),
                Throws.InvalidOperationException.With.Message.Contains($"capacity of {Capacity} bytes"));
            Assert.That(await store.TryAppendAsync(transaction, new(Messages: 50_000)), Is.False, "nor is there room for so many");
            Assert.That(
                async () => await store.Outbox.AppendAsync(transaction, [new OutboundEdu("hs2", "m1", tooMuch)], default),
                Throws.InvalidOperationException.With.Message.Contains($"capacity of {Capacity} bytes"));
        }

        await ShouldHaveAllItsRoomAsync(store);
    }

    [Test]
    public async Task D3_a_send_that_is_not_committed_gives_back_what_it_had_got()
    {
        await using var store = new MemoryLoad(Capacity);
        for (var n = 0; n < 300; n++)
        {
            await store.OpenAsync(10, 20_000);
            await store.AbandonAsync();
            Assert.That(await CommitAsync("t", store.Transactions.KnownRemovals), Is.EqualTo(n == 0 ? CommitResult.Committed : CommitResult.AlreadyCommitted));

            var known = store.Transactions.KnownRemovals;
            await store.Inbox.RemoveDeviceAsync(new DeviceAddress("@carol:hs1", "C1"), default);
            Assert.That(await CommitAsync($"t{n}", known), Is.EqualTo(CommitResult.DeviceRemoved));
        }

        await store.Inbox.RemoveDeviceAsync(MemoryLoad.Bob, default);
        await ShouldHaveAllItsRoomAsync(store);

        async Task<CommitResult> CommitAsync(string txnId, long knownRemovals)
        {
            var key = new TransactionKey("@carol:hs1", "C2", TransactionKey.SendToDevice, "m.test", txnId);
            await using var transaction = (await store.Transactions.BeginAsync(key, knownRemovals, default))!;
            await store.Inbox.AppendAsync(transaction, [Message(100_000), Message(2) with { Recipient = new("@carol:hs1", "C1") }], default);
            await store.Outbox.AppendAsync(transaction, [new OutboundEdu("hs2", "m1", new byte[10_000])], default);
            var result = await transaction.CommitAsync(default);
            if (result == CommitResult.Committed) await store.Outbox.RemoveAllAsync("hs2");
            return result;
        }
    }

    /// <summary>Anybody can name servers that are not there: far more of them than there is room for, but not at once.</summary>
    [Test]
    public async Task D21_of_destinations_whose_EDUs_are_given_up_nothing_is_kept()
    {
        var hour = TimeSpan.FromHours(1);
        await using var store = new MemoryLoad(Capacity);
        for (var round = 0; round < 60; round++)
        {
            string[] names = [.. Enumerable.Range(0, 3000).Select(n => $"made-up{round}.{n}")];
            var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", $"{round}");
            await using (var transaction = (await store.Transactions.BeginAsync(key, store.Transactions.KnownRemovals, default))!)
            {
                await store.Outbox.AppendAsync(transaction, [.. names.Select(name => new OutboundEdu(name, "m1", new byte[10]))], default);
                Assert.That(await transaction.CommitAsync(default), Is.EqualTo(CommitResult.Committed));
            }

            // By whoever has not taken them, has taken them, or has died since.
            foreach (var name in names[..1000]) await store.Outbox.RemoveAllAsync(name);
            await store.Outbox.AcquireAsync("one", hour, 1000);
            await store.Outbox.AcquireAsync("dies", TimeSpan.Zero, 1000);
            foreach (var name in names[1000..])
            {
                await store.Outbox.RemoveAllAsync(name);
                await store.Outbox.ReleaseAsync(name, "one", 3, hour, default);
            }

            Assert.That(await store.Outbox.AcquireAsync("one", hour, 10), Is.Empty);
        }

        await store.Inbox.RemoveDeviceAsync(MemoryLoad.Alice, default);
        await ShouldHaveAllItsRoomAsync(store);
    }

    [Test]
    public async Task A_commit_that_finds_no_room_for_its_record_is_refused_and_over()
    {
        await using var store = new MemoryLoad(Capacity);
        await using var transaction = await store.BeginAsync(new());
        await store.TryAppendAsync(transaction, new(Bytes: 100));
        await store.SendAsync(int.MaxValue, _ => new(Messages: 0));

        Assert.That(async () => await transaction.CommitAsync(default), Throws.InvalidOperationException.With.Message.Contains("capacity"));
        Assert.That(async () => await transaction.CommitAsync(default), Throws.InvalidOperationException.With.Message.Contains("over"));

        await store.PurgeAsync();
        Assert.That(async () => await transaction.CommitAsync(default), Throws.InvalidOperationException.With.Message.Contains("over"));
        await ShouldHaveAllItsRoomAsync(store);
    }

    [Test]
    public async Task D6_a_full_store_ends_devices_and_has_their_room_again()
    {
        await using var store = new MemoryLoad(Capacity);
        Assert.That(await store.FillAsync(100), Is.GreaterThan(20_000), "they go in several steps");
        await store.Inbox.RemoveDeviceAsync(MemoryLoad.Bob, default);
        await store.SendAsync(int.MaxValue, _ => new(Messages: 0));
        await store.Inbox.RemoveDeviceAsync(MemoryLoad.Alice, default);

        await ShouldHaveAllItsRoomAsync(store);
    }

    [Test]
    public async Task D6_a_send_that_was_open_over_thousands_of_removals_is_refused_once()
    {
        await using var store = new MemoryLoad(Capacity);
        var transaction = await store.BeginAsync(new());
        await store.TryAppendAsync(transaction, new());
        for (var n = 0; n < 3000; n++) await store.Inbox.RemoveDeviceAsync(n == 0 ? MemoryLoad.Bob : new DeviceAddress("@carol:hs1", $"C{n}"), default);

        Assert.That(await transaction.CommitAsync(default), Is.EqualTo(CommitResult.DeviceRemoved));
        Assert.That(await store.SendAsync(1, _ => new()), Is.EqualTo(1));
    }

    [Test]
    public async Task Nothing_is_kept_of_a_destination_whose_mail_was_given_up()
    {
        var time = new TestTime();
        await using var store = new MemoryLoad(Capacity, time);
        for (var n = 0; n < 2000; n++)
        {
            var name = $"hs{n}".PadRight(8_000, 'x');
            Assert.That(await store.SendAsync(1, _ => new(Messages: 0, Destination: name)), Is.EqualTo(1), $"destination {n}");
            Assert.That(await store.Outbox.AcquireAsync("one", TimeSpan.FromMinutes(1), 10), Has.Count.EqualTo(1));
            await store.Outbox.RemoveAllAsync(name);
            await store.Outbox.ReleaseAsync(name, "one", failures: 3, TimeSpan.FromMinutes(1), default);
            time.Advance(TimeSpan.FromMinutes(1));
        }
    }

    [Test]
    public void A_capacity_that_cannot_work_stops_the_host_at_its_start() => Assert.That(
        () => TestHomeserver.StartAsync(builder => builder.UseInMemory(options => options.CapacityBytes = 1_000_000)),
        Throws.TypeOf<OptionsValidationException>().With.Message.Contains("InMemoryOptions.CapacityBytes is 1000000; it must be at least 16777216."));

    /// <summary>Nothing is pending and no record is kept: it takes as much as a new one.</summary>
    private static async Task ShouldHaveAllItsRoomAsync(MemoryLoad store)
    {
        await using var other = new MemoryLoad(Capacity);
        await store.PurgeAsync();
        Assert.That(await store.FillAsync(3_000), Is.EqualTo(await other.FillAsync(3_000)));
    }

    private static ToDeviceMessage Message(int bytes) => new(MemoryLoad.Bob, MemoryLoad.Alice.UserId, "m.test", new byte[bytes], 1);
}
