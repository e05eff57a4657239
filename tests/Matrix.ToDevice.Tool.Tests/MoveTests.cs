using System.Security.Cryptography;
using Npgsql;
using NUnit.Framework.Constraints;
using static Matrix.ToDevice.Tests.Filled;

namespace Matrix.ToDevice.Tests;

/// <summary>Everything goes from one store to another, by whatever way, and clients and servers notice nothing.</summary>
internal sealed class MoveTests
{
    private static IEnumerable<object[]> Ways =>
        from source in TestStore.Kinds
        from target in TestStore.Kinds
        from throughAFile in new[] { false, true }
        select new object[] { source, target, throughAFile };

    [TestCaseSource(nameof(Ways))]
    public async Task Everything_arrives_and_tokens_and_retries_stay_valid(string from, string to, bool throughAFile)
    {
        using var source = new TestStore(from);
        using var target = new TestStore(to);
        string before;
        InboxPosition given;
        await using (var host = await source.OpenAsync())
        {
            await FillAsync(host);
            (before, given) = (await DescribeAsync(host), await host.PositionAsync(Bob, 1));
        }

        await MoveAsync(source, target, throughAFile);

        await ToolRun.FineAsync("verify", target.Address);
        await using var moved = await target.OpenAsync();
        Assert.That(await DescribeAsync(moved), Is.EqualTo(before));
        var measured = await moved.Upkeep.MeasureAsync(default);
        Assert.That((measured.Messages, measured.Working.Edus, measured.Failing.Edus), Is.EqualTo((4L, 2L, 3L)));
        await AssertRetriesAreKnownAsync(moved);
        await AssertTransactionIsRepeatedAsync(moved);

        // A client goes on with its token, and what comes later counts on.
        Assert.That(await moved.Inbox.AcknowledgeAsync(Bob, given, default), Is.EqualTo(2));
        Assert.That(await moved.ReadAsync(Bob), Has.Count.EqualTo(1));
        await moved.SendAsync(Key("later"), [Message(Bob, 30), Message(BobToo, 31), Message(Gone, 32)]);
        Assert.That((await moved.PositionAsync(Bob, 1)).Sequence, Is.EqualTo(6));
        Assert.That((await moved.PositionAsync(BobToo, 0)).Sequence, Is.EqualTo(3));
        Assert.That((await moved.PositionAsync(Gone, 0)).Sequence, Is.EqualTo(1));
        await moved.DisposeAsync();
        await ToolRun.FineAsync("verify", target.Address);
    }

    [TestCase(TestStore.Sqlite, TestStore.PostgreSql, TestStore.Sqlite)]
    [TestCase(TestStore.Sqlite, TestStore.CitusReady, TestStore.PostgreSql)]
    [TestCase(TestStore.PostgreSql, TestStore.CitusReady, TestStore.PostgreSql)]
    public async Task What_has_been_moved_there_and_back_is_what_it_was(string one, string two, string three)
    {
        using var first = new TestStore(one);
        using var second = new TestStore(two);
        using var third = new TestStore(three);
        string before;
        await using (var host = await first.OpenAsync())
        {
            await FillAsync(host);
            before = await DescribeAsync(host);
        }

        await MoveAsync(first, second, throughAFile: false);
        await MoveAsync(second, third, throughAFile: false);

        await using var moved = await third.OpenAsync();
        Assert.That(await DescribeAsync(moved), Is.EqualTo(before));
        await AssertRetriesAreKnownAsync(moved);
        await AssertTransactionIsRepeatedAsync(moved);
    }

    [Test]
    public async Task Messages_have_their_times_and_lie_in_the_order_in_which_they_expire()
    {
        using var source = new TestStore(TestStore.PostgreSql);
        using var target = new TestStore(TestStore.Sqlite);
        await using (var host = await source.OpenAsync())
        {
            // The one whose name comes first has got its messages last.
            await host.SendAsync(Key("1"), [Message(BobToo, 1)]);
            await host.SendAsync(Key("2"), [Message(Bob, 2)]);
        }

        source.Execute("UPDATE to_device_message SET committed_at = '2020-01-01 00:00:00.5Z'::timestamptz + send_id * interval '1 hour'");

        await MoveAsync(source, target, throughAFile: true);

        Assert.That(target.Query("SELECT group_concat(d.device_id) FROM (SELECT device FROM to_device_message ORDER BY id) m JOIN to_device_device d ON d.id = m.device"), Is.EqualTo("B2,B1"));
        var time = DateTimeOffset.Parse("2020-01-01T00:00:00.5Z", System.Globalization.CultureInfo.InvariantCulture).AddHours(1001);
        Assert.That(target.Query("SELECT min(committed_at) FROM to_device_message"), Is.EqualTo($"{time.ToUnixTimeMilliseconds()}"));
    }

    [Test]
    public async Task What_stands_behind_a_younger_message_is_kept_with_it_after_a_move_too([Values(TestStore.Sqlite, TestStore.PostgreSql)] string to)
    {
        using var source = new TestStore(TestStore.Sqlite);
        using var target = new TestStore(to);
        await using (var host = await source.OpenAsync())
            for (var n = 1; n <= 3; n++) await host.SendAsync(Key($"{n}"), [Message(Bob, n), Message(BobToo, n)]);

        // The clock was set back behind the first one of Bob's, and a little between the others.
        source.Execute("UPDATE to_device_message SET committed_at = 1600000000000 - sequence");
        source.Execute("UPDATE to_device_message SET committed_at = 4000000000000 WHERE sequence = 1 AND device = (SELECT id FROM to_device_device WHERE device_id = 'B1')");

        await MoveAsync(source, target, throughAFile: true);

        await using var moved = await target.OpenAsync();
        var before = DateTimeOffset.FromUnixTimeMilliseconds(1600000000000);
        Assert.That(await moved.Upkeep.ExpireAsync(before, 100, default), Is.EqualTo(3));
        Assert.That(await moved.ReadAsync(Bob), Has.Count.EqualTo(3), "the first one is not due, and the others stand behind it");
        Assert.That(await moved.ReadAsync(BobToo), Is.Empty);
    }

    [Test]
    public async Task An_export_writes_over_nothing_and_is_for_its_owner_only()
    {
        using var source = await FilledAsync(TestStore.Sqlite);
        var (other, path) = (Path.Combine(source.Folder, "other"), Path.Combine(source.Folder, "it.export"));
        await File.WriteAllTextAsync(other, "mine");
        foreach (var make in new Action<string>[] { name => File.Copy(other, name), name => File.CreateSymbolicLink(name, other), name => File.CreateSymbolicLink(name, other + "s") })
        {
            foreach (var name in new[] { path, path + ".part" })
            {
                make(name);

                var run = await ToolRun.RunAsync("export", source.Address, path);

                Assert.That(run.ExitCode, Is.EqualTo(1).Or.EqualTo(3), name);
                Assert.That(run.Errors.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1), run.Errors);
                Assert.That(await File.ReadAllTextAsync(other), Is.EqualTo("mine"));
                Assert.That(File.Exists(other + "s"), Is.False);
                File.Delete(name);
            }
        }

        await ToolRun.FineAsync("export", source.Address, path);
        if (!OperatingSystem.IsWindows()) Assert.That(File.GetUnixFileMode(path), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Test]
    public async Task IDs_of_any_length_arrive_at_PostgreSQL_and_what_has_only_a_fingerprint_is_refused_by_SQLite()
    {
        var longOne = new DeviceAddress("@long:here", new string('L', 400));
        using var source = new TestStore(TestStore.Sqlite);
        using var target = new TestStore(TestStore.PostgreSql);
        using var further = new TestStore(TestStore.PostgreSql);
        using var back = new TestStore(TestStore.Sqlite);
        await using (var host = await source.OpenAsync()) await host.SendAsync(Key("1"), [Message(longOne, 1)]);

        await MoveAsync(source, target, throughAFile: true);
        await MoveAsync(target, further, throughAFile: true);

        await using var moved = await further.OpenAsync();
        Assert.That(await moved.ReadAsync(longOne), Has.Count.EqualTo(1));
        var refused = await ToolRun.RunAsync("copy", "--from", target.Address, "--to", back.Address);
        Assert.That((refused.ExitCode, refused.Errors.Contains("fingerprint", StringComparison.Ordinal)), Is.EqualTo((1, true)), refused.Errors);
        Assert.That(back.Query("SELECT count(*) FROM to_device_device"), Is.EqualTo("0"), "nothing of it");
    }

    [Test]
    public async Task A_target_that_is_not_empty_is_refused_and_stays_as_it_is([ValueSource(typeof(TestStore), nameof(TestStore.Kinds))] string kind)
    {
        using var source = await FilledAsync(TestStore.Sqlite);
        using var target = new TestStore(kind);
        var export = Path.Combine(source.Folder, "it.export");
        await ToolRun.FineAsync("export", source.Address, export);
        await using (var host = await target.OpenAsync()) await host.SendAsync(OfServer, []);

        foreach (var run in new[]
        {
            await ToolRun.RunAsync("copy", "--from", source.Address, "--to", target.Address), await ToolRun.RunAsync("import", target.Address, export),
        })
        {
            Assert.That(run.ExitCode, Is.EqualTo(1), run.Errors);
            Assert.That(run.Errors, Does.Contain("is not empty"));
        }

        Assert.That(target.Query("SELECT count(*) FROM to_device_message"), Is.EqualTo("0"));
        await using var after = await target.OpenAsync();
        Assert.That(await after.SendAsync(OfServer, []), Is.EqualTo(CommitResult.AlreadyCommitted));
    }

    [Test]
    public async Task An_export_that_was_cut_off_or_altered_anywhere_is_refused_before_anything_is_made_of_it()
    {
        using var source = await FilledAsync(TestStore.Sqlite);
        var path = Path.Combine(source.Folder, "it.export");
        await ToolRun.FineAsync("export", source.Address, path);
        var good = await File.ReadAllBytesAsync(path);
        var random = new Random(1);
        var bad = Enumerable.Range(0, 12).Select(_ => good[..random.Next(good.Length)])
            .Concat(Enumerable.Range(0, 12).Select(_ => Altered(good, random.Next(good.Length)))).Append([.. good, 0]).Append([]);
        var altered = Path.Combine(source.Folder, "bad.export");
        foreach (var bytes in bad)
        {
            await File.WriteAllBytesAsync(altered, bytes);
            using var target = new TestStore(TestStore.Sqlite);

            var run = await ToolRun.RunAsync("import", target.Address, altered);

            Assert.That(run.ExitCode, Is.EqualTo(3), run.Output + run.Errors);
            Assert.That(run.Errors.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1), run.Errors);
            Assert.That(Directory.GetFiles(target.Folder), Is.Empty);
        }

        static byte[] Altered(byte[] good, int at)
        {
            byte[] bytes = [.. good];
            bytes[at] ^= 0x20;
            return bytes;
        }
    }

    [TestCase("last_sequence", long.MaxValue - 1)]
    [TestCase("last_sequence", -1)]
    [TestCase("acknowledged", -1)]
    [TestCase("sequence", 0)]
    [TestCase("sequence", long.MaxValue)]
    [TestCase("committed_at", 0)]
    [TestCase("committed_at", -1)]
    [TestCase("committed_at", 253_402_300_800_000_000)]
    [TestCase("last_used", 0)]
    [TestCase("sending_up_to", -1)]
    [TestCase("failures", -1)]
    [TestCase("failures", 1L << 31)]
    [TestCase("free_at", -1)]
    [TestCase("position", 0)]
    [TestCase("position", long.MaxValue)]
    [TestCase("EDU committed_at", 0)]
    public async Task An_export_with_a_number_that_no_store_gives_is_refused_before_anything_is_made_of_it(string field, long number)
    {
        using var source = new TestStore(TestStore.Sqlite);
        var path = Path.Combine(source.Folder, "forged.export");
        await File.WriteAllBytesAsync(path, ForgedExport.With("", 0));
        using (var fine = new TestStore(TestStore.Sqlite)) await ToolRun.FineAsync("import", fine.Address, path);
        await File.WriteAllBytesAsync(path, ForgedExport.With(field, number));
        using var target = new TestStore(TestStore.Sqlite);

        var run = await ToolRun.RunAsync("import", target.Address, path);

        Assert.That(run.ExitCode, Is.EqualTo(3), run.Output + run.Errors);
        Assert.That(run.Errors.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1), run.Errors);
        Assert.That(run.Errors, Does.Contain("nothing of it was used"));
        Assert.That(Directory.GetFiles(target.Folder), Is.Empty);
    }

    [Test, Category("Slow")]
    public async Task A_forged_export_with_the_right_sum_is_told_in_one_line_and_leaves_nothing([Values(TestStore.Sqlite, TestStore.PostgreSql)] string kind)
    {
        using var source = await FilledAsync(TestStore.Sqlite);
        var path = Path.Combine(source.Folder, "it.export");
        await ToolRun.FineAsync("export", source.Address, path);
        var good = await File.ReadAllBytesAsync(path);
        var random = new Random(2);
        for (var n = 0; n < 30; n++)
        {
            var (forged, at) = ((byte[])[.. good], random.Next(26, good.Length - SHA256.HashSizeInBytes));
            forged[at] = n % 2 == 0 ? (byte)random.Next(256) : (byte)(forged[at] ^ 0x80);
            SHA256.HashData(forged.AsSpan(0, forged.Length - SHA256.HashSizeInBytes)).CopyTo(forged, forged.Length - SHA256.HashSizeInBytes);
            await File.WriteAllBytesAsync(path + "ed", forged);
            using var target = new TestStore(kind);

            var run = await ToolRun.RunAsync("import", target.Address, path + "ed");

            // It may also have been a content or a number, which can be any.
            if (run.ExitCode == 0) continue;
            Assert.That(run.ExitCode, Is.EqualTo(1).Or.EqualTo(3), $"byte {at}: {run.Errors}");
            Assert.That(run.Errors.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1), run.Errors);
            await ToolRun.FineAsync("migrate", target.Address, "--create");
            Assert.That(target.Query("SELECT count(*) FROM to_device_device"), Is.EqualTo("0"), $"byte {at}");
        }
    }

    [Test, Category("Slow")]
    public async Task A_move_that_is_killed_has_moved_nothing_or_all_and_can_be_made_again([ValueSource(typeof(TestStore), nameof(TestStore.Kinds))] string kind)
    {
        using var source = new TestStore(TestStore.Sqlite);
        await using (var host = await source.OpenAsync()) await FillAsync(host);
        // Enough that it takes a while.
        source.Execute("""
            INSERT INTO to_device_message (device, sequence, send_id, sender, event_type, content, committed_at)
            WITH RECURSIVE n (n) AS (SELECT 6 UNION ALL SELECT n + 1 FROM n WHERE n < 150000)
            SELECT (SELECT id FROM to_device_device WHERE device_id = 'B1'), n, n, '@alice:here', 'm.test', CAST('{"a":1}' AS BLOB), 1700000000000 + n FROM n
            """);
        var all = (await ToolRun.FineAsync("inspect", source.Address, "--json")).Json.GetProperty("messages").GetProperty("messages").GetInt32();
        var killed = 0;
        for (var round = 0; round < 3; round++)
        {
            using var target = new TestStore(kind);
            await ToolRun.FineAsync("migrate", target.Address, "--create");
            using (var copy = ToolRun.Start([], "copy", "--from", source.Address, "--to", target.Address))
            {
                while (!copy.HasExited && !IsMoving(target)) await TimeLimit.OneMoreTurnAsync();
                // From there on, the moment is left to chance.
                await Task.WhenAny(copy.WaitForExitAsync(), Task.Delay(TimeSpan.FromMilliseconds(150 * round)));
                copy.Kill();
                await copy.WaitForExitAsync();
            }

            await ToolRun.FineAsync("verify", target.Address);
            var found = (await ToolRun.FineAsync("inspect", target.Address, "--json")).Json;
            var messages = found.GetProperty("messages").GetProperty("messages").GetInt32();
            Assert.That(messages, Is.Zero.Or.EqualTo(all));
            if (messages > 0) continue;
            killed++;
            Assert.That(found.GetProperty("records").GetProperty("sends").GetInt32() + found.GetProperty("outbox").GetProperty("edus").GetInt32(), Is.Zero);
            await MoveAsync(source, target, throughAFile: false);
        }

        Assert.That(killed, Is.Positive, "one of them was hit in the middle");
    }

    [Test]
    public async Task A_host_on_the_source_is_a_reason_to_refuse_unless_it_is_asked_for([ValueSource(typeof(TestStore), nameof(TestStore.Kinds))] string kind)
    {
        using var source = new TestStore(kind);
        using var target = new TestStore(TestStore.Sqlite);
        await using var host = await source.OpenAsync();
        await FillAsync(host);

        var refused = await ToolRun.RunAsync("copy", "--from", source.Address, "--to", target.Address);

        Assert.That(refused.ExitCode, Is.EqualTo(kind == TestStore.Sqlite ? 3 : 1), refused.Errors);
        Assert.That(Directory.GetFiles(target.Folder), Is.Empty);
        await ToolRun.FineAsync("copy", "--from", source.Address, "--to", target.Address, "--running");
        await using var moved = await target.OpenAsync();
        Assert.That(await DescribeAsync(moved), Is.EqualTo(await DescribeAsync(host)));
    }

    /// <summary>The target is waited for when the source was opened already.</summary>
    [Test]
    public async Task A_host_that_comes_to_the_source_during_the_move_voids_it([Values] bool hasGoneAgain)
    {
        using var source = await FilledAsync(TestStore.Sqlite);
        using var target = new TestStore(TestStore.PostgreSql);
        OpenStore? host = null;
        var run = await CopyAsync(source, target, async () =>
        {
            host = await source.OpenAsync();
            await host.SendAsync(Key("meanwhile"), [Message(Bob, 60)]);
            if (hasGoneAgain) await host.DisposeAsync();
        });
        await host!.DisposeAsync();

        await AssertVoidAsync(run, Does.Contain("A server has opened").And.Contain("Try again"), source, target);
    }

    /// <summary>What a host that was killed has left behind; and where a machine is down.</summary>
    [Test]
    public async Task D4_what_was_accepted_and_not_delivered_is_delivered_before_it_is_moved_or_nothing_is_moved()
    {
        using var source = new TestStore(TestStore.CitusReady);
        using var target = new TestStore(TestStore.Sqlite);
        await using (var host = await source.OpenAsync())
        {
            await host.SendAsync(Key("1"), [Message(Bob, 1)]);
            source.Execute("""
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''down'' USING ERRCODE = ''08006''; END';
                CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON to_device_delivered FOR EACH ROW EXECUTE FUNCTION refuse()
                """);
            for (var n = 2; n <= 3; n++) Assert.That(await host.SendAsync(Key($"{n}"), [Message(Bob, n)]), Is.EqualTo(CommitResult.Committed));
        }

        var found = (await ToolRun.FineAsync("inspect", source.Address, "--json")).Json;
        Assert.That(found.GetProperty("undelivered").GetProperty("parts").GetInt32(), Is.EqualTo(2));
        Assert.That(found.GetProperty("messages").GetProperty("messages").GetInt32(), Is.EqualTo(1));
        await ToolRun.FineAsync("verify", source.Address);
        var refused = await ToolRun.RunAsync("copy", "--from", source.Address, "--to", target.Address);
        Assert.That((refused.ExitCode, refused.Errors.Contains("2 parts cannot be delivered", StringComparison.Ordinal)), Is.EqualTo((3, true)), refused.Errors);
        Assert.That(Directory.GetFiles(target.Folder), Is.Empty);

        source.Execute("DROP TRIGGER refuse ON to_device_delivered");
        await MoveAsync(source, target, throughAFile: false);

        await using var moved = await target.OpenAsync();
        Assert.That((await moved.ReadAsync(Bob)).Select(line => line[..6]), Is.EqualTo(new[] { "1/1001", "2/1002", "3/1003" }));
        Assert.That(await moved.SendAsync(Key("3"), [Message(Bob, 3)]), Is.EqualTo(CommitResult.AlreadyCommitted));
    }

    /// <summary>Many machines have no moment in common: a part of it could have been seen.</summary>
    [Test]
    public async Task D4_what_a_host_accepts_during_the_move_of_many_machines_voids_it([ValueSource(typeof(TestStore), nameof(TestStore.Distributed))] string kind)
    {
        using var source = await FilledAsync(kind);
        using var target = new TestStore(TestStore.PostgreSql);
        var run = await CopyAsync(source, target, async () =>
        {
            await using var host = await source.OpenAsync();
            await host.SendAsync(Key("meanwhile"), [Message(Bob, 60)]);
        });

        await AssertVoidAsync(run, Does.Contain("has accepted something").And.Contain("Stop the hosts"), source, target);
    }

    /// <summary>One that runs has found that there are no records under nobody's name.</summary>
    [Test]
    public async Task A_host_on_a_target_for_many_machines_is_a_reason_to_refuse()
    {
        using var source = await FilledAsync(TestStore.Sqlite);
        using var target = new TestStore(TestStore.CitusReady);
        await using (await target.OpenAsync())
        {
            var refused = await ToolRun.RunAsync("copy", "--from", source.Address, "--to", target.Address);
            Assert.That((refused.ExitCode, refused.Errors.Contains("Hosts seem to be connected", StringComparison.Ordinal)), Is.EqualTo((1, true)), refused.Errors);
            Assert.That(target.Query("SELECT count(*) FROM to_device_message"), Is.EqualTo("0"));
        }

        await MoveAsync(source, target, throughAFile: false);
        await using var moved = await target.OpenAsync();
        const string LastUse = "SELECT min(last_used)::text FROM to_device_transaction WHERE user_id = ''";
        var used = target.Query(LastUse);
        await AssertRetriesAreKnownAsync(moved);
        Assert.That(target.Query(LastUse), Is.Not.EqualTo(used), "D5: its last use");
    }

    /// <summary>A move that has opened its source, and waits for its target while something happens.</summary>
    private static async Task<ToolRun> CopyAsync(TestStore source, TestStore target, Func<Task> meanwhile)
    {
        await ToolRun.FineAsync("migrate", target.Address, "--create");
        await using var connection = new NpgsqlConnection(TestCluster.ConnectionString);
        await connection.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var hold = new NpgsqlCommand($"LOCK TABLE \"{target.Schema}\".to_device_schema IN ACCESS EXCLUSIVE MODE", connection);
        await hold.ExecuteNonQueryAsync();

        var copy = ToolRun.RunAsync("copy", "--from", source.Address, "--to", target.Address, "--running");
        var waits = $"SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '\"{target.Schema}\".to_device_schema'::regclass";
        while (!copy.IsCompleted && TestCluster.Cluster.Query(waits) is 0L) await TimeLimit.OneMoreTurnAsync();
        await meanwhile();
        await transaction.RollbackAsync();
        return await copy;
    }

    /// <summary>Nothing was moved; and the next time all is.</summary>
    private static async Task AssertVoidAsync(ToolRun run, IResolveConstraint says, TestStore source, TestStore target)
    {
        Assert.That(run.ExitCode, Is.EqualTo(3), run.Output + run.Errors);
        Assert.That(run.Errors, says);
        foreach (var table in new[] { "device", "message", "transaction", "edu" })
            Assert.That(target.Query($"SELECT count(*) FROM to_device_{table}"), Is.EqualTo("0"), table);
        await MoveAsync(source, target, throughAFile: false);
        await ToolRun.FineAsync("verify", target.Address);
    }

    private static bool IsMoving(TestStore target)
    {
        if (target.Kind == TestStore.Sqlite) return File.Exists(target.File + "-wal");
        return target.Query("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY to_device_message%' AND state = 'active'") != "0";
    }

    /// <summary>By clients, by requesters without a device, and by other servers.</summary>
    private static async Task AssertRetriesAreKnownAsync(OpenStore store)
    {
        foreach (var key in new[] { OfDevice, OfNobody, OfServer, Key("bob1") })
        {
            Assert.That(await store.Upkeep.IsCommittedAsync(key, default), $"{key}");
            Assert.That(await store.SendAsync(key, [Message(Bob, 50)]), Is.EqualTo(CommitResult.AlreadyCommitted), $"{key}");
            Assert.That(await store.SendAsync(key with { TransactionId = $"new {key.TransactionId}" }, []), Is.EqualTo(CommitResult.Committed), $"{key}");
        }
    }

    private static async Task AssertTransactionIsRepeatedAsync(OpenStore store)
    {
        Assert.That(await store.Outbox.AcquireAsync("early", TimeSpan.FromMinutes(1), 10, 10, TimeSpan.FromDays(1), default), Has.Count.EqualTo(1), "the other one has a pause");
        // As if its pause had ended: it is longer than the longest.
        var lease = (await store.Outbox.AcquireAsync("late", TimeSpan.FromMinutes(1), 10, 10, TimeSpan.FromSeconds(1), default)).Single(one => one.Destination == Failing);
        var waiting = await store.Outbox.ReadAsync(Failing, 0, 10, default);
        Assert.That(lease.Failures, Is.EqualTo(3));
        Assert.That(
            waiting.Where(edu => edu.Position <= lease.SendingUpTo).Select(edu => edu.MessageId), Is.EqualTo(new[] { $"{Failing}-1", $"{Failing}-2" }),
            "R84: the transaction that was tried");
    }

    private static async Task MoveAsync(TestStore source, TestStore target, bool throughAFile)
    {
        if (!throughAFile)
        {
            await ToolRun.FineAsync("copy", "--from", source.Address, "--to", target.Address);
            return;
        }

        var export = Path.Combine(source.Folder, $"{Path.GetRandomFileName()}.export");
        await ToolRun.FineAsync("export", source.Address, export);
        await ToolRun.FineAsync("import", target.Address, export);
    }

    private static async Task<TestStore> FilledAsync(string kind)
    {
        var store = new TestStore(kind);
        await using var host = await store.OpenAsync();
        await FillAsync(host);
        return store;
    }
}
