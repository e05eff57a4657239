namespace Matrix.ToDevice.Tests;

/// <summary>Transaction records are appended, and moved together to where they are sorted by their keys: a retry finds them in both places.</summary>
public class RecordTests
{
    private const int MostRecent = 8192, MovedAtOnce = 1024, Sends = MostRecent + 100;

    private string _path = null!;

    [SetUp]
    public void SetUp() => _path = TestFolder.NewFile();

    [Test]
    public async Task D2_a_retry_is_recognised_wherever_its_record_is_also_after_a_restart()
    {
        await using (var store = SqliteStores.Open(_path))
        {
            await SendAllAsync(store, Sends);
            Assert.That((Rows("to_device_transaction"), Rows("to_device_recent_transaction")), Is.EqualTo((MovedAtOnce, Sends - MovedAtOnce)));
            await RetryAllAsync(store);
        }

        await using (var store = SqliteStores.Open(_path))
        {
            await RetryAllAsync(store);
            await store.SendAsync("new", "new", "B1");
            Assert.That((await store.SyncAsync("B1", limit: Sends * 2)).Contents, Has.Count.EqualTo(Sends + 1));
        }
    }

    /// <summary>Neighbours together, or each would change a page of its own; and few enough that nobody waits for a commit that moves them.</summary>
    [Test]
    public async Task Records_are_moved_in_the_order_of_their_keys_a_part_in_a_commit()
    {
        using var trace = new StatementTrace(_path);
        await using var store = SqliteStores.Open(_path);
        await SendAllAsync(store, MostRecent);
        await store.SendAsync("next", "x", "B1");
        Assert.That(Rows("to_device_transaction"), Is.EqualTo(MovedAtOnce));
        Assert.That(
            SqliteFileView.Count(_path, $"SELECT count(*) FROM to_device_recent_transaction WHERE id <= {MostRecent} AND key < (SELECT max(key) FROM to_device_transaction)"),
            Is.Zero);

        await Task.WhenAll(Enumerable.Range(0, MostRecent).Select(n => store.SendAsync($"more{n}", "x", "B1")));
        var moved = new List<int> { 0 };
        foreach (var statement in trace.Take())
        {
            if (statement.StartsWith("INSERT INTO to_device_transaction", StringComparison.Ordinal)) moved[^1]++;
            if (statement == "COMMIT") moved.Add(0);
        }

        Assert.That(moved, Is.All.LessThanOrEqualTo(MovedAtOnce));
        Assert.That(moved.Sum(), Is.EqualTo(MostRecent + MovedAtOnce).And.EqualTo(Rows("to_device_transaction")));
    }

    /// <summary>Whoever comes and goes again and again makes no work of everybody else's records.</summary>
    [Test]
    public async Task D6_a_removal_takes_its_own_records_along_and_moves_no_others()
    {
        await using var store = SqliteStores.Open(_path);
        await SendAllAsync(store, 100);
        await using (var transaction = (await store.Transactions.BeginAsync(
            new TransactionKey("@carol:hs1", "C1", TransactionKey.SendToDevice, "m.test", "t1"), store.Transactions.KnownRemovals, default))!)
        {
            await transaction.CommitAsync(default);
        }

        await store.Inbox.RemoveDeviceAsync(new DeviceAddress("@carol:hs1", "C1"), default);

        while (SqliteFileView.Count(_path, "SELECT count(*) FROM to_device_removed") > 0) await TimeLimit.OneMoreTurnAsync();
        Assert.That((Rows("to_device_transaction"), Rows("to_device_recent_transaction")), Is.EqualTo((0, 100)));
        Assert.That(await store.SendAsync("t0", "again", "B1"), Is.EqualTo(CommitResult.AlreadyCommitted));
    }

    [Test]
    public async Task D5_records_are_forgotten_wherever_they_are()
    {
        await using var store = SqliteStores.Open(_path);
        await SendAllAsync(store, Sends);
        var future = TimeProvider.System.GetUtcNow() + TimeSpan.FromDays(1);

        Assert.That(await store.Transactions.PurgeAsync(TransactionKey.DirectToDevice, future, 10, default), Is.Zero);
        Assert.That(await store.Transactions.PurgeAsync(TransactionKey.SendToDevice, future, Sends - 1, default), Is.EqualTo(Sends - 1));
        Assert.That(await store.Transactions.PurgeAsync(TransactionKey.SendToDevice, future, 10, default), Is.EqualTo(1));
        Assert.That(Rows("to_device_transaction") + Rows("to_device_recent_transaction"), Is.Zero);
        Assert.That(await store.SendAsync($"t{Sends - 1}", "again", "B1"), Is.EqualTo(CommitResult.Committed));
    }

    [Test]
    public async Task D6_the_records_of_a_removed_device_go_wherever_they_are()
    {
        await using var store = SqliteStores.Open(_path);
        await SendAllAsync(store, Sends);
        await store.Inbox.RemoveDeviceAsync(new DeviceAddress("@alice:hs1", "A1"), default);

        while (SqliteFileView.Count(_path, "SELECT count(*) FROM to_device_removed") > 0) await TimeLimit.OneMoreTurnAsync();
        Assert.That(Rows("to_device_transaction") + Rows("to_device_recent_transaction"), Is.Zero);
        Assert.That(await store.SendAsync("t0", "again", "B1"), Is.EqualTo(CommitResult.Committed));
    }

    /// <summary>After an error, the writer has a new connection, and what it knew in memory is read from the file again.</summary>
    [Test]
    public async Task D2_a_retry_is_recognised_after_a_commit_that_failed()
    {
        using var disk = new FaultyDisk();
        await using var store = disk.Open(_path);
        await store.SendAsync("t1", "1", "B1");
        disk.Fail(DiskFault.Write);
        Assert.That(async () => await store.SendAsync("t2", "2", "B1"), Throws.TypeOf<SqliteStoreException>());
        disk.Mend();

        Assert.That(await store.SendAsync("t1", "1", "B1"), Is.EqualTo(CommitResult.AlreadyCommitted));
        Assert.That(await store.SendAsync("t2", "2", "B1"), Is.EqualTo(CommitResult.Committed));
        Assert.That((await store.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "1", "2" }));
    }

    private static async Task SendAllAsync(SqliteStores store, int sends) =>
        Assert.That(await Task.WhenAll(Enumerable.Range(0, sends).Select(n => store.SendAsync($"t{n}", $"{n}", "B1"))), Is.All.EqualTo(CommitResult.Committed));

    private static async Task RetryAllAsync(SqliteStores store) => Assert.That(
        await Task.WhenAll(Enumerable.Range(0, Sends).Select(n => store.SendAsync($"t{n}", $"{n}", "B1"))), Is.All.EqualTo(CommitResult.AlreadyCommitted));

    private int Rows(string table) => (int)SqliteFileView.Count(_path, $"SELECT count(*) FROM {table}");
}
