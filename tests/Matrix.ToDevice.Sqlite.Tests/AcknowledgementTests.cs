using System.Globalization;

namespace Matrix.ToDevice.Tests;

/// <summary>An acknowledgement is a mark: nobody is shown what lies before it, and it is deleted later, some thousands at a time.</summary>
public class AcknowledgementTests
{
    private const int MostDeleted = 2000;
    private static readonly DeviceAddress s_bob = new("@bob:hs1", "B1");

    private string _path = null!;

    [SetUp]
    public void SetUp() => _path = TestFolder.NewFile();

    [Test]
    public async Task R52_each_message_is_counted_once_by_the_acknowledgement_that_deletes_it()
    {
        var positions = new List<InboxPosition>();
        await using (var store = SqliteStores.Open(_path))
        {
            for (var n = 1; n <= 5; n++) await store.SendAsync($"t{n}", $"{n}", "B1");
            using (var page = await store.Inbox.ReadAsync(s_bob, InboxPosition.Start, 10, int.MaxValue, default))
                positions.AddRange(page.Messages.Select(message => message.Position));

            Assert.That(await AcknowledgeAsync(store, positions[1]), Is.EqualTo(2));
            Assert.That(await AcknowledgeAsync(store, positions[1]), Is.Zero, "again");
            Assert.That(await AcknowledgeAsync(store, positions[0]), Is.Zero, "an older one");
            Assert.That((await store.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "3", "4", "5" }));
            Assert.That(Count("SELECT count(*) FROM to_device_message"), Is.EqualTo(5), "they are still to be deleted");
        }

        // The mark is what the next life knows of them.
        await using (var store = SqliteStores.Open(_path))
        {
            Assert.That(await AcknowledgeAsync(store, positions[2]), Is.EqualTo(1));
            Assert.That(await AcknowledgeAsync(store, positions[4]), Is.EqualTo(2));
            await store.SendAsync("t6", "6", "B1");
        }

        await using (var store = SqliteStores.Open(_path))
        {
            using var page = await store.Inbox.ReadAsync(s_bob, InboxPosition.Start, 10, int.MaxValue, default);
            Assert.That(page.Messages.Select(message => message.Position.Sequence), Is.EqualTo(new[] { 6 }));
            Assert.That(await AcknowledgeAsync(store, page.Messages[^1].Position), Is.EqualTo(1));
        }
    }

    /// <summary>All have looked before any is written: a client asked again, and an older request of it is still under way.</summary>
    [Test]
    public async Task R52_acknowledgements_that_come_together_count_each_message_once_and_take_nothing_back()
    {
        using var disk = new FaultyDisk();
        await using var store = disk.Open(_path);
        for (var n = 1; n <= 3; n++) await store.SendAsync($"t{n}", $"{n}", "B1");
        using var page = await store.Inbox.ReadAsync(s_bob, InboxPosition.Start, 2, int.MaxValue, default);
        var asked = disk.BeforeSyncAsync(() => ((int[])[1, 1, 0]).Select(n => AcknowledgeAsync(store, page.Messages[n].Position)).ToList());
        await store.SendAsync("t4", "4", "B1");

        Assert.That(await Task.WhenAll(await asked), Is.EqualTo(new[] { 2, 0, 0 }));
        Assert.That((await store.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "3", "4" }));
    }

    /// <summary>After an error, the writer has a new connection, which learns from the file what is acknowledged and not deleted yet.</summary>
    [Test]
    public async Task R52_what_was_acknowledged_before_a_commit_that_failed_is_not_counted_again()
    {
        using var disk = new FaultyDisk();
        await using var store = disk.Open(_path);
        for (var n = 1; n <= 5; n++) await store.SendAsync($"t{n}", $"{n}", "B1");
        using var page = await store.Inbox.ReadAsync(s_bob, InboxPosition.Start, 10, int.MaxValue, default);
        Assert.That(await AcknowledgeAsync(store, page.Messages[1].Position), Is.EqualTo(2));
        disk.Fail(DiskFault.Write);
        Assert.That(async () => await AcknowledgeAsync(store, page.Messages[3].Position), Throws.TypeOf<SqliteStoreException>());
        disk.Mend();

        Assert.That(await AcknowledgeAsync(store, page.Messages[3].Position), Is.EqualTo(2));
        await store.SendAsync("t6", "6", "B1");
        Assert.That((await store.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "5", "6" }));
    }

    /// <summary>What is emptied goes on counting: the numbers of what was deleted are in the device's row.</summary>
    [Test]
    public async Task D11_an_inbox_that_was_emptied_and_cleaned_up_goes_on_counting()
    {
        for (var life = 1; life <= 3; life++)
        {
            await using var store = SqliteStores.Open(_path);
            await UntilAsync(store, $"cleaned{life}", "SELECT count(*) FROM to_device_acknowledged", 0);
            Assert.That(Count("SELECT count(*) FROM to_device_message m JOIN to_device_device d ON d.id = m.device WHERE d.device_id = 'B1'"), Is.Zero);

            await store.SendAsync($"t{life}", $"{life}", "B1");
            using var page = await store.Inbox.ReadAsync(s_bob, InboxPosition.Start, 10, int.MaxValue, default);
            Assert.That(page.Messages.Select(message => message.Position.Sequence), Is.EqualTo(new[] { life }));
            Assert.That(await AcknowledgeAsync(store, page.Messages[0].Position), Is.EqualTo(1));
        }
    }

    [Test]
    public async Task What_few_devices_have_acknowledged_is_deleted_by_the_next_purge()
    {
        await using var store = SqliteStores.Open(_path);
        for (var n = 1; n <= 3; n++) await store.SendAsync($"t{n}", $"{n}", "B1", "B2", "B3");
        foreach (var device in (string[])["B1", "B2"])
        {
            var (_, token) = await store.SyncAsync(device, limit: 2);
            await store.SyncAsync(device, token);
        }

        await store.Transactions.PurgeAsync(TransactionKey.SendToDevice, DateTimeOffset.UnixEpoch, 1, default);

        await UntilAsync(store, "purged", "SELECT count(*) FROM to_device_acknowledged", 0);
        Assert.That(Count("SELECT count(*) FROM to_device_message"), Is.EqualTo(1 + 1 + 3));
        foreach (var (device, left) in ((string, string[])[])[("B1", ["3"]), ("B2", ["3"]), ("B3", ["1", "2", "3"])])
            Assert.That((await store.SyncAsync(device)).Contents, Is.EqualTo(left), device);
    }

    [Test]
    public async Task What_many_have_acknowledged_is_deleted_by_itself()
    {
        await using var store = SqliteStores.Open(_path);
        await Task.WhenAll(Enumerable.Range(0, MostDeleted).Select(n => store.SendAsync($"t{n}", $"{n}", "B1", "B2")));
        foreach (var device in (string[])["B1", "B2"])
        {
            var (_, token) = await store.SyncAsync(device, limit: MostDeleted / 2);
            await store.SyncAsync(device, token);
        }

        await UntilAsync(store, "deleted", "SELECT count(*) FROM to_device_acknowledged", 0);
        Assert.That(Count("SELECT count(*) FROM to_device_message"), Is.EqualTo(MostDeleted));
    }

    /// <summary>A removed device takes its mark along; the next device of that ID starts anew.</summary>
    [Test]
    public async Task D6_a_device_that_is_removed_before_its_acknowledged_messages_are_deleted_leaves_nothing()
    {
        await using var store = SqliteStores.Open(_path);
        await store.SendAsync("t1", "1", "B1");
        var (_, token) = await store.SyncAsync("B1");
        await store.SyncAsync("B1", token);
        await store.Inbox.RemoveDeviceAsync(s_bob, default);

        await UntilAsync(store, "removed", "SELECT count(*) FROM to_device_removed", 0);
        Assert.That(Count("SELECT count(*) FROM to_device_acknowledged") + Count("SELECT count(*) FROM to_device_message"), Is.Zero);
        await store.SendAsync("t2", "2", "B1");
        Assert.That((await store.SyncAsync("B1", token)).Contents, Is.EqualTo(new[] { "2" }));
    }

    /// <summary>
    /// The commits, one after the other: the acknowledgement writes one row, each later one deletes so many, and a send that comes while
    /// they go on shares the next of them.
    /// </summary>
    [Test]
    public async Task R52_a_large_inbox_is_acknowledged_in_one_small_step_and_deleted_between_the_commits_of_others()
    {
        const int Messages = 100_000;
        using var trace = new StatementTrace(_path);
        using var disk = new FaultyDisk();
        var image = TestFolder.NewFile();
        await using (var store = disk.Open(_path)) await store.SendAsync("t0", "0", "B1");
        Fill(Messages);

        await using (var store = disk.Open(_path))
        {
            await UntilAsync(store, "open", "SELECT count(*) FROM to_device_removed", 0);
            trace.Take();
            Task<CommitResult>? send = null;
            // Before the second of its commits is on the disk: the first that deletes.
            var deleting = disk.BeforeSyncAsync(() => disk.BeforeSyncAsync(() =>
            {
                disk.KillProcess(_path, image);
                send = store.SendAsync("meanwhile", "new", "B1");
                return true;
            }));
            Assert.That(await AcknowledgeAsync(store, new InboxPosition(Messages, Messages)), Is.EqualTo(Messages));
            await await deleting;
            await send!;
            Assert.That((await store.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "new" }));
            await UntilAsync(store, "end", "SELECT count(*) FROM to_device_acknowledged", 0);

            var commits = Commits(trace.Take());
            Assert.That(commits[0].Deleted, Is.Zero, "the mark");
            Assert.That(commits.Select(commit => commit.Deleted), Is.All.LessThanOrEqualTo(MostDeleted));
            Assert.That(commits.Sum(commit => commit.Deleted), Is.EqualTo(Messages));
            Assert.That(commits.TakeWhile(commit => commit.Sent == 0).Sum(commit => commit.Deleted), Is.LessThanOrEqualTo(2 * MostDeleted), "it waited for two at most");
        }

        // It died in the middle of it: what was acknowledged is not seen again, and the rest of it goes.
        await using var left = disk.Open(image);
        Assert.That((await left.SyncAsync("B1")).Contents, Is.Empty);
        await left.SendAsync("after", "after", "B1");
        using var page = await left.Inbox.ReadAsync(s_bob, InboxPosition.Start, 10, int.MaxValue, default);
        Assert.That(page.Messages.Select(message => message.Position.Sequence), Is.EqualTo(new[] { Messages + 1 }));
        for (var n = 0; SqliteFileView.Count(image, "SELECT count(*) FROM to_device_message") > 1; n++)
            await left.SendAsync($"wait{n}", "");
    }

    private static List<(int Deleted, int Sent)> Commits(List<string> statements)
    {
        var commits = new List<(int Deleted, int Sent)>();
        var (deleted, sent) = (0, 0);
        foreach (var statement in statements)
        {
            if (statement.StartsWith("DELETE FROM to_device_message", StringComparison.Ordinal)) deleted++;
            if (statement.StartsWith("INSERT INTO to_device_message", StringComparison.Ordinal)) sent++;
            if (statement != "COMMIT") continue;
            commits.Add((deleted, sent));
            (deleted, sent) = (0, 0);
        }

        return commits;
    }

    private static async Task<int> AcknowledgeAsync(SqliteStores store, InboxPosition upTo) =>
        await store.Inbox.AcknowledgeAsync(s_bob, upTo, default);

    /// <summary>The clean-up takes turns with the sends; they are without a recipient.</summary>
    private async Task UntilAsync(SqliteStores store, string prefix, string count, long expected)
    {
        var n = 0;
        do
        {
            await store.SendAsync($"{prefix}{n++}", "");
            await TimeLimit.OneMoreTurnAsync();
        }
        while (Count(count) != expected);
    }

    /// <summary>As if so many had been sent to the device that got the first one, each with a send ID that is its sequence number.</summary>
    private void Fill(int messages) => SqliteFileView.Execute(_path, string.Create(CultureInfo.InvariantCulture, $"""
        DELETE FROM to_device_message;
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {messages})
        INSERT INTO to_device_message (device, sequence, send_id, sender, event_type, content)
        SELECT (SELECT id FROM to_device_device WHERE device_id = 'B1'), i, i, '@alice:hs1', 'm.test', CAST('x' AS BLOB) FROM n;
        """));

    private long Count(string sql) => SqliteFileView.Count(_path, sql);
}
