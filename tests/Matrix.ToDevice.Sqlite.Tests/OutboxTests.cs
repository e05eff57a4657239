namespace Matrix.ToDevice.Tests;

/// <summary>The EDUs that wait for other servers, and the rows of who sends them.</summary>
public class OutboxTests
{
    private static readonly TimeSpan s_hour = TimeSpan.FromHours(1);

    /// <summary>Nobody has heard of them, and what waited for them is given up: by whoever has taken them, or has not, or has died since.</summary>
    [Test]
    public async Task D21_of_destinations_whose_EDUs_are_given_up_no_row_is_left()
    {
        string[] names = [.. Enumerable.Range(0, 300).Select(n => $"made-up{n}")];
        var path = TestFolder.NewFile();
        await using var store = SqliteStores.Open(path);
        await AppendAsync(store, "t1", names);
        foreach (var name in names[..100]) await store.Outbox.RemoveAllAsync(name);
        Assert.That(await store.Outbox.AcquireAsync("one", s_hour, 100), Has.Count.EqualTo(100));
        Assert.That(await store.Outbox.AcquireAsync("dies", TimeSpan.Zero, 100), Has.Count.EqualTo(100));
        foreach (var name in names[100..])
        {
            await store.Outbox.RemoveAllAsync(name);
            await store.Outbox.ReleaseAsync(name, "one", 3, s_hour, default);
        }

        Assert.That(Rows(path), Is.EqualTo(100), "of whom nobody knows yet that their holder is dead");
        Assert.That(await store.Outbox.AcquireAsync("one", s_hour, 10), Is.Empty);
        Assert.That(Rows(path), Is.Zero);
    }

    /// <summary>A sender looks again and again: while nothing is free, that must not stand in the way of sends.</summary>
    [Test]
    public async Task D22_a_look_for_something_to_send_that_finds_nothing_is_no_write()
    {
        var path = TestFolder.NewFile();
        await using var store = SqliteStores.Open(path, options => options.BusyTimeout = TimeSpan.FromMilliseconds(1));
        await AppendAsync(store, "t1", "hs2", "hs3", "hs4");
        Assert.That(await store.Outbox.AcquireAsync("one", s_hour, 1), Has.Count.EqualTo(1));
        foreach (var lease in await store.Outbox.AcquireAsync("two", s_hour, 10))
            await store.Outbox.ReleaseAsync(lease.Destination, "two", 1, lease.Destination == "hs3" ? s_hour : TimeSpan.Zero, default);

        using var other = SqliteFileView.Open(path);
        using var command = other.CreateCommand();
        command.CommandText = "BEGIN IMMEDIATE";
        command.ExecuteNonQuery();
        Assert.That(async () => await AppendAsync(store, "t2", "hs5"), Throws.TypeOf<SqliteStoreException>(), "whoever writes fails");
        Assert.That(await store.Outbox.AcquireAsync("three", s_hour, 10, 0, TimeSpan.FromDays(1), default), Is.Empty, "one has failed, and none of those is asked for");
        Assert.That(
            async () => await store.Outbox.AcquireAsync("three", s_hour, 10, 1, TimeSpan.FromDays(1), default), Throws.TypeOf<SqliteStoreException>(), "that one is free");
    }

    [Test]
    public async Task D22_destinations_are_taken_by_name_if_they_are_free_and_have_not_failed()
    {
        await using var store = SqliteStores.Open(TestFolder.NewFile());
        await AppendAsync(store, "t1", "failed", "taken", "free", "other");
        foreach (var lease in await store.Outbox.AcquireTheseAsync(["failed", "taken"], "one", s_hour, default))
            if (lease.Destination == "failed") await store.Outbox.ReleaseAsync("failed", "one", 1, TimeSpan.Zero, default);

        var leases = await store.Outbox.AcquireTheseAsync(["failed", "taken", "nobody", "free"], "two", s_hour, default);

        Assert.That(leases, Is.EqualTo(new[] { new OutboxLease("free", 0, 0) }));
        Assert.That(await store.Outbox.RenewAsync("free", "two", s_hour, 1, default));
    }

    private static long Rows(string path) => SqliteFileView.Count(path, "SELECT count(*) FROM to_device_lease");

    private static async Task AppendAsync(SqliteStores store, string txnId, params string[] destinations)
    {
        var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", txnId);
        await using var transaction = (await store.Transactions.BeginAsync(key, 0, default))!;
        await store.Outbox.AppendAsync(transaction, [.. destinations.Select(destination => new OutboundEdu(destination, "m1", "{}"u8.ToArray()))], default);
        Assert.That(await transaction.CommitAsync(default), Is.EqualTo(CommitResult.Committed));
    }
}
