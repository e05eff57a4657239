namespace Matrix.ToDevice.Tests;

/// <summary>
/// The power goes while many send and read, before any write or sync; a store is opened on what the disk has kept.
/// </summary>
[Category("Slow")]
public class PowerLossTests
{
    private const int Crashes = 6;

    private static int CheckpointBytes(int seed) => (64 << 10) << (seed % 4);

    [Test]
    public async Task D3_D4_D12_R52_no_loss_of_power_loses_repeats_or_tears_anything([Range(1, 8)] int seed)
    {
        Assert.That(await CrashAsync(seed, SqliteDurability.Full), Is.All.EqualTo(SendLoad.Losses.None));
    }

    [Test]
    public async Task D3_D4_D12_R52_nor_does_one_on_a_disk_that_fails_now_and_then([Range(1, 6)] int seed)
    {
        Assert.That(await CrashAsync(seed, SqliteDurability.Full, withFaults: true), Is.All.EqualTo(SendLoad.Losses.None));
    }

    /// <summary>The documented choice. How much is lost is left to chance; what is left is checked.</summary>
    [Test]
    public async Task With_durability_normal_a_loss_of_power_loses_whole_sends_at_the_end_but_never_a_part_of_one([Range(1, 4)] int seed)
    {
        var losses = await CrashAsync(seed, SqliteDurability.Normal);

        await TestContext.Out.WriteLineAsync($"{losses.Sum(lost => lost.Accepted)} accepted sends lost");
    }

    [Test]
    public async Task With_durability_normal_a_process_that_is_killed_has_lost_nothing([Range(1, 2)] int seed)
    {
        Assert.That(await CrashAsync(seed, SqliteDurability.Normal, isKilled: true), Is.All.EqualTo(SendLoad.Losses.None));
    }

    /// <summary>With a log that is never synced, everything is lost; a loss that these tests did not see would prove nothing.</summary>
    [Test]
    public async Task A_loss_is_seen_by_these_tests()
    {
        using var disk = new FaultyDisk();
        using var load = new SendLoad();
        var (path, image) = (TestFolder.NewFile(), TestFolder.NewFile());
        await using (var store = disk.Open(path, options => options.Durability = SqliteDurability.Normal))
        {
            load.Start(store);
            await load.FirstAccepted;
            await load.StopAsync();
            disk.CutPowerAtItsWorst(path, image);
        }

        var before = load.Answered();
        await using var left = disk.Open(image);
        Assert.That(
            await load.CheckAsync(left, before, load.Requested()),
            Is.EqualTo(new SendLoad.Losses(before.Accepted.Sum(), before.Seen.Sum(), before.Acknowledged.Sum())));
        Assert.That(before.Accepted.Sum(), Is.Positive);
    }

    [Test]
    public async Task A_file_that_was_cut_off_while_it_was_made_opens_and_has_what_was_accepted()
    {
        for (var operations = 1; ; operations++)
        {
            using var disk = new FaultyDisk();
            var (path, image) = (TestFolder.NewFile(), TestFolder.NewFile());
            var accepted = false;
            var cut = disk.AfterAsync(operations, () =>
            {
                disk.CutPower(path, image, seed: operations);
                return accepted;
            });
            await using (var store = disk.Open(path))
            {
                await store.SendAsync("t1", "1", "B1", "B2");
                accepted = true;
                await store.SendAsync("t2", "2", "B1", "B2");
            }

            if (!cut.IsCompleted) break;
            await using var left = disk.Open(image);
            var retry = await left.SendAsync("t1", "1", "B1", "B2");
            if (await cut) Assert.That(retry, Is.EqualTo(CommitResult.AlreadyCommitted), $"before operation {operations}");
            await left.SendAsync("t2", "2", "B1", "B2");
            foreach (var device in (string[])["B1", "B2"])
                Assert.That((await left.SyncAsync(device)).Contents, Is.EqualTo(new[] { "1", "2" }), $"before operation {operations}");
        }
    }

    /// <summary>
    /// A killed process leaves a commit that is written but not synced. The next process reads it back; nobody may see it
    /// before it is on the disk, or the recipient gets it twice: now, and by the sender's retry after the power has gone.
    /// </summary>
    [Test]
    public async Task D3_what_a_killed_process_had_not_synced_is_synced_before_anybody_sees_it()
    {
        using var disk = new FaultyDisk();
        var (path, next) = (TestFolder.NewFile(), TestFolder.NewFile());
        await using (var store = disk.Open(path))
        {
            await store.SendAsync("t1", "1", "B1");
            var killed = disk.BeforeSyncAsync(() =>
            {
                disk.KillProcess(path, next);
                return true;
            });
            await store.SendAsync("t2", "2", "B1");
            await killed;
        }

        List<string> seen;
        var images = Enumerable.Range(0, 10).Select(_ => TestFolder.NewFile()).ToList();
        await using (var store = disk.Open(next))
        {
            seen = (await store.SyncAsync("B1")).Contents;
            for (var seed = 0; seed < images.Count; seed++) disk.CutPower(next, images[seed], seed);
        }

        Assert.That(seen, Is.EqualTo(new[] { "1", "2" }), "the unsynced commit is one that the next process finds");
        foreach (var image in images)
        {
            await using var left = disk.Open(image);
            Assert.That((await left.SyncAsync("B1")).Contents, Is.EqualTo(seen));
        }
    }

    private static async Task<List<SendLoad.Losses>> CrashAsync(
        int seed, SqliteDurability durability, bool withFaults = false, bool isKilled = false)
    {
        using var disk = new FaultyDisk(seed);
        var random = new Random(seed);
        var path = TestFolder.NewFile();
        using var load = new SendLoad();
        var crashes = new List<(string Image, SendLoad.Answers Before, SendLoad.Requests After)>();
        await using (var store = disk.Open(path, Configure))
        {
            load.Start(store);
            for (var crash = 0; crash < Crashes; crash++)
            {
                if (withFaults)
                {
                    await disk.AfterAsync(random.Next(1, 200), () =>
                    {
                        disk.Fail((DiskFault)random.Next(1, 4), random.Next(3) switch { 0 => ".db", 1 => ".db-wal", _ => "" }, random.Next(40_000));
                        return true;
                    });
                }

                var imageSeed = random.Next();
                crashes.Add(await disk.AfterAsync(random.Next(1, 500), () =>
                {
                    var image = TestFolder.NewFile();
                    var before = load.Answered();
                    if (isKilled) disk.KillProcess(path, image);
                    else disk.CutPower(path, image, imageSeed);
                    return (image, before, load.Requested());
                }));
                disk.Mend();
            }

            await load.StopAsync();
        }

        Assert.That(disk.OpenFiles, Is.Zero, "everything was closed");
        var losses = new List<SendLoad.Losses>();
        foreach (var (image, before, after) in crashes)
        {
            await using (var left = disk.Open(image, Configure)) losses.Add(await load.CheckAsync(left, before, after));

            Assert.That(SqliteFileView.Count(image, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), Is.Zero);
        }

        return losses;

        void Configure(SqliteStoreOptions options)
        {
            options.Durability = durability;
            options.CheckpointBytes = CheckpointBytes(seed);
        }
    }
}
