namespace Matrix.ToDevice.Tests;

/// <summary>What files do beyond the promises of the seams, which <see cref="SqliteConformanceTests"/> try out.</summary>
public class DurabilityTests
{
    private string _path = null!;

    [SetUp]
    public void SetUp() => _path = TestFolder.NewFile();

    /// <summary>The life of a server whose operator puts an older copy of the file back.</summary>
    [Test]
    public async Task D11_after_a_backup_was_restored_no_token_skips_or_deletes_anything()
    {
        var backup = _path + ".backup";
        string before, ahead;
        await using (var store = SqliteStores.Open(_path))
        {
            for (var n = 1; n <= 3; n++) await store.SendAsync($"t{n}", $"{n}", "B1");
            before = (await store.SyncAsync("B1", limit: 1)).NextBatch;
        }

        File.Copy(_path, backup);
        await using (var store = SqliteStores.Open(_path))
        {
            for (var n = 4; n <= 6; n++) await store.SendAsync($"t{n}", $"{n}", "B1");
            ahead = (await store.SyncAsync("B1")).NextBatch;
            Assert.That((await store.SyncAsync("B1", ahead)).Contents, Is.Empty);
        }

        File.Copy(backup, _path, overwrite: true);
        await using (var store = SqliteStores.Open(_path))
        {
            Assert.That((await store.SyncAsync("B1", ahead)).Contents, Is.EqualTo(new[] { "1", "2", "3" }), "ahead of the store");
            for (var n = 7; n <= 10; n++) await store.SendAsync($"t{n}", $"{n}", "B1");
            Assert.That(
                (await store.SyncAsync("B1", ahead)).Contents, Is.EqualTo(new[] { "1", "2", "3", "7", "8", "9", "10" }),
                "the store has reached the token's position with another message");
            Assert.That(
                (await store.SyncAsync("B1", before)).Contents, Is.EqualTo(new[] { "2", "3", "7", "8", "9", "10" }),
                "a token from before the copy is as good as ever");
        }
    }

    [Test]
    public async Task D6_a_removed_device_is_empty_after_a_restart_too_and_its_rows_are_deleted()
    {
        await using (var store = SqliteStores.Open(_path))
        {
            for (var n = 0; n < 2500; n += 500)
                await Task.WhenAll(Enumerable.Range(n, 500).Select(i => store.SendAsync($"t{i}", $"{i}", "B1", "B2")));
            await store.Inbox.RemoveDeviceAsync(new DeviceAddress("@bob:hs1", "B1"), default);
            Assert.That((await store.SyncAsync("B1")).Contents, Is.Empty);
        }

        await using (var store = SqliteStores.Open(_path))
        {
            Assert.That((await store.SyncAsync("B1")).Contents, Is.Empty);
            Assert.That((await store.SyncAsync("B2", limit: 5000)).Contents, Has.Count.EqualTo(2500));

            // The clean-up takes turns with the sends; it needs a handful of them at most.
            var sends = 0;
            while (SqliteFileView.Count(_path, "SELECT count(*) FROM to_device_message") != 2500 + sends)
                await store.SendAsync($"later{sends++}", "x", "B2");
            Assert.That(SqliteFileView.Count(_path, "SELECT count(*) FROM to_device_removed"), Is.Zero);
        }
    }

    [Test]
    public async Task Concurrent_sends_share_commits()
    {
        using var disk = new FaultyDisk();
        await using var store = disk.Open(_path);
        await store.SendAsync("first", "x", "B1");
        var before = disk.Operations;
        await store.SendAsync("alone", "x", "B1");
        var alone = disk.Operations - before;

        before = disk.Operations;
        await Task.WhenAll(Enumerable.Range(0, 200).Select(n => store.SendAsync($"t{n}", "x", "B1")));

        // Each commit writes at least the pages that a single one does.
        Assert.That(disk.Operations - before, Is.LessThan(200 * alone / 4));
    }
}
