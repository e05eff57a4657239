namespace Matrix.ToDevice.Tests;

/// <summary>
/// What a send and a sync cost in statements and in memory: these are exact, as times are not, so that nothing is added without being
/// seen. Each send here has its commit to itself.
/// </summary>
[NonParallelizable]
public class CostTests
{
    private const int WarmUp = 300, Rounds = 10, Calls = 30, CallsInAll = WarmUp + (Rounds * Calls);

    // How these begin.
    private const string Page = "SELECT m.sequence, m.send_id", Holds = "SELECT 1 FROM to_device_device", Found = "SELECT 1 FROM to_device_message";

    private static readonly DeviceAddress s_bob = new("@bob:hs1", "B1");

    private string _path = null!;

    [SetUp]
    public void SetUp() => _path = TestFolder.NewFile();

    [TestCase(1)]
    [TestCase(20)]
    public async Task A_send_runs_four_statements_and_one_for_each_target(int targets)
    {
        using var trace = new StatementTrace(_path);
        await using var store = SqliteStores.Open(_path);
        string[] devices = [.. Enumerable.Range(0, targets).Select(n => $"B{n}")];
        // From then on, its devices are known.
        await store.SendAsync("t1", "1", devices);
        trace.Take();

        await store.SendAsync("t2", "2", devices);

        Assert.That(trace.Take(), Is.EqualTo((string[])[
            "BEGIN IMMEDIATE",
            "UPDATE to_device_transaction SET last_used = max(last_used, ?3) WHERE device = ?1 AND key = ?2",
            "INSERT INTO to_device_recent_transaction (id, device, key, last_used) VALUES (?1, ?2, ?3, ?4)",
            .. Enumerable.Repeat(
                "INSERT INTO to_device_message (device, sequence, send_id, content, sender, event_type, committed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", targets),
            "COMMIT",
        ]));
    }

    [Test]
    public async Task A_send_that_is_repeated_runs_three_statements()
    {
        using var trace = new StatementTrace(_path);
        await using var store = SqliteStores.Open(_path);
        await store.SendAsync("t1", "1", "B1");
        trace.Take();

        await store.SendAsync("t1", "1", "B1");

        Assert.That(trace.Take(), Is.EqualTo((string[])[
            "BEGIN IMMEDIATE",
            "UPDATE to_device_recent_transaction SET last_used = max(last_used, ?2) WHERE id = ?1",
            "COMMIT",
        ]));
    }

    [Test]
    public async Task A_page_is_one_statement_and_its_acknowledgement_five_of_which_one_is_run_when_it_is_repeated()
    {
        using var trace = new StatementTrace(_path);
        await using var store = SqliteStores.Open(_path);
        for (var n = 1; n <= 150; n++) await store.SendAsync($"t{n}", $"{n}", "B1");
        // The reader's connection is kept.
        await store.SyncAsync("B1");
        trace.Take();

        var (_, token) = await store.SyncAsync("B1");
        Assert.That(trace.Take(), Is.EqualTo(new[] { Page }).Using<string, string>(StartsWith));

        await store.SyncAsync("B1", token);
        Assert.That(
            trace.Take(),
            Is.EqualTo(new[] { Holds, "BEGIN IMMEDIATE", Found, "INSERT INTO to_device_acknowledged", "COMMIT", Page }).Using<string, string>(StartsWith));

        // What a waiting device does again and again.
        await store.SyncAsync("B1", token);
        Assert.That(trace.Take(), Is.EqualTo(new[] { Holds, Page }).Using<string, string>(StartsWith));
    }

    /// <summary>The transaction, its key and its wait for the commit, with what this test itself takes: about 400 bytes.</summary>
    [TestCase(1, 424)]
    [TestCase(20, 424)]
    [TestCase(250, 448)]
    public async Task A_send_allocates_so_many_bytes_and_none_for_each_target(int targets, int tooMany)
    {
        await using var store = SqliteStores.Open(_path);
        var messages = Enumerable.Range(0, targets).Select(n => new ToDeviceMessage(
            new DeviceAddress("@bob:hs1", $"B{n}"), "@alice:hs1", "m.test", "{}"u8.ToArray(), 7)).ToList();
        var keys = new Queue<TransactionKey>(Enumerable.Range(0, CallsInAll).Select(
            n => new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", $"{n}")));

        var bytes = await LeastAsync(async () =>
        {
            await using var transaction = (await store.Transactions.BeginAsync(keys.Dequeue(), 0, default))!;
            await store.Inbox.AppendAsync(transaction, messages, default);
            await transaction.CommitAsync(default);
        });

        Assert.That(bytes, Is.LessThan(tooMany));
    }

    /// <summary>A page is its list, of which each message is 56 bytes: contents lie in memory of the pool, and senders repeat.</summary>
    [TestCase("B1", 1, 320)]
    [TestCase("B1", 100, 5872)]
    [TestCase("B2", 100, 176, Description = "An empty inbox: what most syncs find.")]
    public async Task A_read_allocates_so_many_bytes(string deviceId, int limit, int tooMany)
    {
        await using var store = SqliteStores.Open(_path);
        for (var n = 1; n <= 150; n++) await store.SendAsync($"t{n}", $"{n}", "B1");

        var bytes = await LeastAsync(async () =>
        {
            using var page = await store.Inbox.ReadAsync(new DeviceAddress("@bob:hs1", deviceId), InboxPosition.Start, limit, int.MaxValue, default);
        });

        Assert.That(bytes, Is.LessThan(tooMany));
    }

    [Test]
    public async Task An_acknowledgement_that_is_repeated_allocates_so_many_bytes()
    {
        await using var store = SqliteStores.Open(_path);
        await store.SendAsync("t1", "1", "B1");
        using var page = await store.Inbox.ReadAsync(s_bob, InboxPosition.Start, 1, int.MaxValue, default);
        var position = page.Messages[0].Position;
        await store.Inbox.AcknowledgeAsync(s_bob, position, default);

        Assert.That(await LeastAsync(async () => await store.Inbox.AcknowledgeAsync(s_bob, position, default)), Is.LessThan(168));
    }

    private static bool StartsWith(string statement, string expected) => statement.StartsWith(expected, StringComparison.Ordinal);

    /// <summary>What one call allocates, on all threads: the least of several rounds, so that what others do meanwhile does not count.</summary>
    private static async Task<long> LeastAsync(Func<Task> action)
    {
        for (var i = 0; i < WarmUp; i++) await action();
        var least = long.MaxValue;
        for (var round = 0; round < Rounds; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < Calls; i++) await action();
            least = Math.Min(least, (GC.GetTotalAllocatedBytes(precise: true) - before) / Calls);
        }

        return least;
    }
}
