using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using NUnit.Framework.Constraints;

namespace Matrix.ToDevice.Tests;

/// <summary>The disk is full or fails for a while. Nothing is half done, and when it is over the store goes on by itself (D3).</summary>
[Category("Slow")]
public class DiskErrorTests
{
    private static readonly DiskFault[] s_faults = [DiskFault.Full, DiskFault.Write, DiskFault.Sync];

    private FaultyDisk _disk = null!;
    private string _path = null!;

    [SetUp]
    public void SetUp() => (_disk, _path) = (new FaultyDisk(), TestFolder.NewFile());

    [TearDown]
    public void TearDown() => _disk.Dispose();

    [TestCaseSource(nameof(s_faults))]
    public async Task D3_sends_fail_whole_and_their_retries_deliver_once(DiskFault fault)
    {
        await using var store = _disk.Open(_path);
        await store.SendAsync("t0", "0", "B1", "B2");

        _disk.Fail(fault, room: 20_000);
        for (var round = 0; round < 3; round++)
        {
            // More than fits, so some may come through before the disk is full: those were answered.
            foreach (var send in Enumerable.Range(1, 20).Select(n => store.SendAsync($"t{n}", new string('x', 4000) + n, "B1", "B2")).ToList())
                await IgnoreRefusalAsync(send, fault);
            Assert.That(async () => await store.SendAsync("more", "more", "B1", "B2"), Refused(fault));
        }

        _disk.Mend();
        for (var n = 1; n <= 20; n++) await store.SendAsync($"t{n}", new string('x', 4000) + n, "B1", "B2");
        await store.SendAsync("more", "more", "B1", "B2");
        foreach (var device in (string[])["B1", "B2"])
        {
            var contents = (await store.SyncAsync(device)).Contents.ConvertAll(content => content.TrimStart('x'));
            Assert.That(contents, Is.EquivalentTo(Enumerable.Range(0, 21).Select(n => $"{n}").Append("more")));
        }
    }

    /// <summary>
    /// Nobody has read yet, so the writer's is the only connection. If it were closed before there is another one, SQLite
    /// would read the log back, and believe what the disk has not kept.
    /// </summary>
    [Test]
    public async Task D3_what_failed_to_be_synced_is_never_taken_for_committed([Range(1, 10)] int seed)
    {
        using var disk = new FaultyDisk(seed);
        var image = TestFolder.NewFile();
        await using (var store = disk.Open(_path))
        {
            await store.SendAsync("t0", "0", "B1");
            disk.Fail(DiskFault.Sync);
            for (var n = 1; n <= 3; n++) Assert.That(async () => await store.SendAsync($"t{n}", $"{n}", "B1"), Refused(DiskFault.Sync));
            disk.Mend();
            for (var n = 1; n <= 4; n++) await store.SendAsync($"t{n}", $"{n}", "B1");
            disk.CutPower(_path, image, seed);
        }

        await using var left = disk.Open(image);
        Assert.That((await left.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "0", "1", "2", "3", "4" }));
    }

    [TestCaseSource(nameof(s_faults))]
    public async Task D3_over_http_it_is_a_503_and_the_retry_is_accepted(DiskFault fault)
    {
        await using var server = await TestHomeserver.StartAsync(builder => builder.UseSqlite($"Data Source={_path};Vfs={_disk.Name}"));
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");
        (await alice.SendAsync("t0", "@bob:hs1", "B1")).ShouldBeAccepted();
        var sync = await bob.SyncAsync();

        _disk.Fail(fault);
        var refused = await alice.SendAsync("t1", "@bob:hs1", "B1");
        refused.ShouldBe(503, "M_UNKNOWN");
        Assert.That(refused.Headers, Contains.Key("Retry-After"));
        Assert.That((await bob.SyncAsync()).Events, Has.Count.EqualTo(1), "reading goes on");

        _disk.Mend();
        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        Assert.That((await bob.SyncAsync(sync.NextBatch)).Events, Has.Count.EqualTo(1));
    }

    [TestCaseSource(nameof(s_faults))]
    public async Task R52_a_failed_acknowledgement_deletes_all_or_nothing_and_its_retry_for_good(DiskFault fault)
    {
        var image = TestFolder.NewFile();
        await using (var store = _disk.Open(_path))
        {
            for (var n = 1; n <= 3; n++) await store.SendAsync($"t{n}", $"{n}", "B1");
            var (_, token) = await store.SyncAsync("B1", limit: 2);

            _disk.Fail(fault);
            Assert.That(async () => await store.SyncAsync("B1", token), Refused(fault));
            Assert.That((await store.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "1", "2", "3" }));

            _disk.Mend();
            Assert.That((await store.SyncAsync("B1", token)).Contents, Is.EqualTo(new[] { "3" }));
            _disk.CutPower(_path, image, seed: 1);
        }

        await using var left = _disk.Open(image);
        Assert.That((await left.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "3" }));
    }

    [TestCaseSource(nameof(s_faults))]
    public async Task D6_a_failed_removal_removes_nothing_and_its_retry_everything(DiskFault fault)
    {
        var device = new DeviceAddress("@bob:hs1", "B1");
        await using var store = _disk.Open(_path);
        for (var n = 1; n <= 3; n++) await store.SendAsync($"t{n}", $"{n}", "B1");

        _disk.Fail(fault);
        Assert.That(async () => await store.Inbox.RemoveDeviceAsync(device, default), Refused(fault));
        Assert.That((await store.SyncAsync("B1")).Contents, Has.Count.EqualTo(3));

        _disk.Mend();
        await store.Inbox.RemoveDeviceAsync(device, default);
        Assert.That((await store.SyncAsync("B1")).Contents, Is.Empty);
        await store.SendAsync("t4", "4", "B1");
        Assert.That((await store.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "4" }), "the next device of that ID");
    }

    [TestCaseSource(nameof(s_faults))]
    public async Task D6_the_rows_of_a_removed_device_are_deleted_when_the_disk_works_again(DiskFault fault)
    {
        await using (var store = _disk.Open(_path))
        {
            await Task.WhenAll(Enumerable.Range(0, 2500).Select(n => store.SendAsync($"t{n}", $"{n}", "B1")));
            // The removal itself still works; what it leaves is cleaned up by a later commit.
            var failing = _disk.BeforeSyncAsync(() => _disk.BeforeSyncAsync(() => Fail(fault)));
            await store.Inbox.RemoveDeviceAsync(new DeviceAddress("@bob:hs1", "B1"), default);
            await (await failing);

            // The clean-up fails too, but not again and again: the disk is left alone between requests.
            Assert.That(async () => await store.SendAsync("a", "a", "B2"), Refused(fault));
            Assert.That(async () => await store.SendAsync("b", "b", "B2"), Refused(fault));
            var before = _disk.Failures;
            for (var n = 0; n < 2000; n++) await store.SyncAsync("B2");
            Assert.That(_disk.Failures - before, Is.LessThanOrEqualTo(1));

            _disk.Mend();
            await store.Transactions.PurgeAsync(TransactionKey.SendToDevice, DateTimeOffset.UnixEpoch, 1, default);
            var sends = 0;
            while (SqliteFileView.Count(_path, "SELECT count(*) FROM to_device_message") != sends)
                await store.SendAsync($"later{sends++}", "x", "B2");
        }
    }

    /// <summary>The commit is in the log and on the disk; what fails is only its way from there into the file.</summary>
    [TestCaseSource(nameof(s_faults))]
    public async Task A_failed_checkpoint_fails_no_send_and_is_made_up_for(DiskFault fault)
    {
        var image = TestFolder.NewFile();
        await using (var store = _disk.Open(_path, options => options.CheckpointBytes = 64 << 10))
        {
            await store.SendAsync("t0", "0", "B1");
            _disk.Fail(fault, file: ".db");
            for (var n = 1; n <= 30; n++) await store.SendAsync($"t{n}", $"{n}", "B1");
            Assert.That(SqliteFileView.WalFrames(_path), Is.GreaterThan(3 * 8), "there was no checkpoint");

            _disk.Mend();
            // The first makes the checkpoint, the second begins the log anew.
            await store.SendAsync("t31", "31", "B1");
            await store.SendAsync("t32", "32", "B1");
            Assert.That(SqliteFileView.WalFrames(_path), Is.LessThanOrEqualTo(8));
            _disk.CutPower(_path, image, seed: 1);
        }

        await using var left = _disk.Open(image);
        Assert.That((await left.SyncAsync("B1")).Contents, Is.EqualTo(Enumerable.Range(0, 33).Select(n => $"{n}")));
    }

    /// <summary>
    /// A reader that needs older pages allows a checkpoint only a part of the log, and SQLite does not sync the file after a
    /// part. When the sync after the rest fails, the disk may have dropped all of it; SQLite would write only the rest again.
    /// </summary>
    [Test]
    public async Task D3_what_a_checkpoint_wrote_before_a_failed_sync_is_written_again([Range(1, 10)] int seed)
    {
        string[] devices = [.. Enumerable.Range(1, 20).Select(n => $"B{n}")];
        using var disk = new FaultyDisk(seed);
        var image = TestFolder.NewFile();
        await using (var store = disk.Open(_path, options => options.CheckpointBytes = 64 << 10))
        {
            await store.SendAsync("all", "0", devices);
            await using (var slow = new SqliteConnection($"Data Source={_path};Vfs={disk.Name};Pooling=False"))
            {
                await slow.OpenAsync();
                await using var transaction = slow.BeginTransaction(deferred: true);
                await using var look = slow.CreateCommand();
                look.CommandText = "SELECT count(*) FROM to_device_device";
                await look.ExecuteScalarAsync();
                for (var n = 1; n <= 4; n++) await store.SendAsync($"t{n}", $"{n}", "B1");
            }

            disk.Fail(DiskFault.Sync, file: ".db");
            await store.SendAsync("t5", "5", "B1");
            Assert.That(() => disk.Failures, Is.Positive.After(5000, 10));
            disk.Mend();
            for (var n = 6; n <= 9; n++) await store.SendAsync($"t{n}", $"{n}", "B1");
            disk.CutPower(_path, image, seed);
        }

        await using var left = disk.Open(image);
        Assert.That((await left.SyncAsync("B1")).Contents, Is.EqualTo(Enumerable.Range(0, 10).Select(n => $"{n}")));
        foreach (var device in devices[1..]) Assert.That((await left.SyncAsync(device)).Contents, Is.EqualTo(new[] { "0" }), device);
    }

    [TestCaseSource(nameof(s_faults))]
    public async Task A_file_that_cannot_be_made_is_refused_leaves_nothing_open_and_is_made_later(DiskFault fault)
    {
        await using var store = _disk.Open(_path);
        _disk.Fail(fault);
        for (var n = 0; n < 3; n++) Assert.That(async () => await store.SendAsync("t1", "1", "B1"), Refused(fault));
        Assert.That(_disk.OpenFiles, Is.Zero);

        _disk.Mend();
        await store.SendAsync("t1", "1", "B1");
        Assert.That((await store.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "1" }));
    }

    [Test]
    public async Task A_full_disk_keeps_no_server_from_starting_and_reading()
    {
        var next = TestFolder.NewFile();
        await using (var store = _disk.Open(_path))
        {
            await store.SendAsync("t1", "1", "B1");
            _disk.KillProcess(_path, next);
        }

        _disk.Fail(DiskFault.Full);
        await using var started = _disk.Open(next);
        Assert.That((await started.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "1" }));
        Assert.That(async () => await started.SendAsync("t2", "2", "B1"), Refused(DiskFault.Full));
    }

    [Test]
    public async Task A_newer_schema_is_refused_and_leaves_nothing_open()
    {
        await using (var store = _disk.Open(_path)) await store.SendAsync("t1", "1", "B1");
        SqliteFileView.Execute(_path, "INSERT INTO to_device_schema (version) VALUES (1000)");

        await using var again = _disk.Open(_path);
        Assert.That(async () => await again.SendAsync("t2", "2", "B1"), Throws.TypeOf<SqliteStoreException>());
        Assert.That(_disk.OpenFiles, Is.Zero);
    }

    [Test]
    public async Task Connections_that_cannot_be_used_are_closed()
    {
        await using (var store = _disk.Open(_path)) await store.SendAsync("t1", "1", "B1");
        SqliteFileView.Execute(_path, "DROP TABLE to_device_edu");

        await using var again = _disk.Open(_path);
        var open = 0;
        for (var n = 0; n < 5; n++)
        {
            Assert.That(async () => await again.SendAsync("t2", "2", "B1"), Throws.TypeOf<SqliteStoreException>());
            Assert.That(async () => await again.SyncAsync("B1"), Throws.TypeOf<SqliteStoreException>());
            if (n == 0) open = _disk.OpenFiles;
        }

        Assert.That(_disk.OpenFiles, Is.EqualTo(open));
    }

    private static ContainsConstraint Refused(DiskFault fault) =>
        Throws.TypeOf<SqliteStoreException>().With.Message.Contains(fault == DiskFault.Full ? "is full" : "Check the disk");

    private static async Task IgnoreRefusalAsync(Task send, DiskFault fault)
    {
        try
        {
            await send;
        }
        catch (SqliteStoreException exception)
        {
            Assert.That(exception.InnerException, Is.TypeOf<SqliteException>(), $"{fault}");
        }
    }

    private bool Fail(DiskFault fault)
    {
        _disk.Fail(fault);
        return true;
    }
}
