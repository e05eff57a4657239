namespace Matrix.ToDevice.Tests;

/// <summary>Two and more stores on one database keep every promise together.</summary>
public class ManyHostsTests : TwoHostsTests
{
    [Test]
    public async Task R41_a_retry_on_another_host_is_recognised()
    {
        Assert.That(await One.SendAsync("t1", "1", "B1"), Is.EqualTo(CommitResult.Committed));
        Assert.That(await Two.SendAsync("t1", "1 again", "B1"), Is.EqualTo(CommitResult.AlreadyCommitted));
        Assert.That(await Two.ReadAsync("B1"), Is.EqualTo(new[] { "1" }));
    }

    [Test]
    public async Task R41_of_concurrent_duplicates_on_two_hosts_one_wins_also_for_senders_without_a_device([Values("A1", null)] string? sender)
    {
        for (var round = 0; round < 20; round++)
        {
            var results = await Task.WhenAll(Enumerable.Range(0, 10).Select(i =>
                (i % 2 == 0 ? One : Two).SendAsync($"t{round}", $"{round}", [$"B{i % 3}", "B3"], sender)));
            Assert.That(results.Count(result => result == CommitResult.Committed), Is.EqualTo(1));
            Assert.That(results.Count(result => result == CommitResult.AlreadyCommitted), Is.EqualTo(9));
        }

        Assert.That(await One.ReadAsync("B3"), Is.EqualTo(Enumerable.Range(0, 20).Select(round => $"{round}")));
    }

    /// <summary>
    /// The first commit has its place in B1's inbox and hangs, because another transaction has the row of B2. Were places
    /// given out before they are certain, the second send would be seen behind a gap.
    /// </summary>
    [Test]
    public async Task D12_no_page_has_a_gap_while_a_slow_commit_holds_a_position()
    {
        await One.SendAsync("t0", "0", ["B1", "B2"]);
        await Two.ReadAsync("B1");
        Task<CommitResult> slow, fast;
        using (var connection = View.Open())
        {
            using var transaction = connection.BeginTransaction();
            using var command = connection.CreateCommand();
            command.CommandText = "SELECT FROM to_device.to_device_device WHERE device_id = 'B2' FOR UPDATE";
            command.ExecuteNonQuery();
            slow = One.SendAsync("slow", "slow", ["B1", "B2"]);
            await View.ReachesAsync(Waiting, 1);
            fast = Two.SendAsync("fast", "fast", ["B1"], "A2");
            await View.ReachesAsync(Waiting, 2);
            Assert.That(await Two.ReadAsync("B1"), Is.EqualTo(new[] { "0" }));
        }

        Assert.That(await Task.WhenAll(slow, fast), Is.All.EqualTo(CommitResult.Committed));
        Assert.That(await Two.ReadAsync("B1"), Is.EqualTo(new[] { "0", "slow", "fast" }));
    }

    [Test]
    public async Task D6_a_removal_on_one_host_refuses_the_commit_on_the_other_once([Values("B1", "A1")] string device)
    {
        await Two.SendAsync("t0", "0", "B2");
        var address = new DeviceAddress(device == "B1" ? "@bob:hs1" : "@alice:hs1", device);
        // The look-up of this send came before the removal, whatever the other host has heard since.
        var before = Two.Transactions.KnownRemovals;
        await One.Inbox.RemoveDeviceAsync(address, default);

        Assert.That(await Two.SendAsync("t1", "1", ["B1", "B2"], knownRemovals: before), Is.EqualTo(CommitResult.DeviceRemoved));
        Assert.That(await One.ReadAsync("B2"), Is.EqualTo(new[] { "0" }), "nothing of it is visible");
        Assert.That(Two.Transactions.KnownRemovals, Is.GreaterThanOrEqualTo(One.Transactions.KnownRemovals));
        Assert.That(await Two.SendAsync("t1", "1", ["B1", "B2"]), Is.EqualTo(CommitResult.Committed));
    }

    [Test]
    public async Task D6_a_send_that_names_none_of_the_removed_devices_is_not_refused()
    {
        await Two.SendAsync("t0", "0", "B1");
        for (var n = 0; n < 3; n++) await One.Inbox.RemoveDeviceAsync(Host.Bob($"other{n}"), default);

        var results = await Task.WhenAll(Enumerable.Range(0, 20).Select(n => Two.SendAsync($"t{n}", $"{n}", ["B1"], knownRemovals: 0)));

        Assert.That(results[1..], Is.All.EqualTo(CommitResult.Committed));
        Assert.That(results[0], Is.EqualTo(CommitResult.AlreadyCommitted));
    }

    [Test]
    public async Task D6_a_removal_ends_the_records_of_a_device_on_every_host()
    {
        await One.SendAsync("t1", "1", "B1");
        await Two.Inbox.RemoveDeviceAsync(new DeviceAddress("@alice:hs1", "A1"), default);

        Assert.That(await One.SendAsync("t1", "2", ["B1"], knownRemovals: Two.Transactions.KnownRemovals), Is.EqualTo(CommitResult.Committed));
        Assert.That(await One.ReadAsync("B1"), Is.EqualTo(new[] { "1", "2" }));
    }

    [Test]
    public async Task D6_removals_beside_sends_leave_either_all_of_a_send_or_nothing_of_it()
    {
        for (var round = 0; round < 30; round++)
        {
            var before = One.Transactions.KnownRemovals;
            var sends = Enumerable.Range(0, 8).Select(n =>
                (n % 2 == 0 ? One : Two).SendAsync($"{round}.{n}", $"{n}", ["B1", "B2"], $"A{n}", before)).ToList();
            await Two.Inbox.RemoveDeviceAsync(Host.Bob("B1"), default);
            var results = await Task.WhenAll(sends);

            // What was committed before the removal went with it; nothing was committed after it.
            Assert.That(await One.ReadAsync("B1"), Is.Empty);
            Assert.That(
                (await One.ReadAsync("B2")).Order(),
                Is.EqualTo(Enumerable.Range(0, 8).Where(n => results[n] == CommitResult.Committed).Select(n => $"{n}")));
            await One.Inbox.RemoveDeviceAsync(Host.Bob("B2"), default);
        }
    }

    [Test]
    public async Task Many_sends_with_overlapping_recipients_in_any_order_do_not_deadlock()
    {
        await One.SendAsync("t0", "0", "B0");
        var random = new Random(1);
        var sends = Enumerable.Range(0, 400).Select(n =>
        {
            var devices = Enumerable.Range(0, 12).Where(_ => random.Next(2) == 0).OrderBy(_ => random.Next()).Select(device => $"B{device}").ToList();
            // Senders are recipients of others.
            var key = new TransactionKey("@bob:hs1", $"B{n % 12}", TransactionKey.SendToDevice, "m.test", $"t{n}");
            return (n % 2 == 0 ? One : Two, key, devices);
        }).ToList();

        var results = await Task.WhenAll(sends.Select(async send =>
        {
            var (host, key, devices) = send;
            await using var transaction = (await host.Transactions.BeginAsync(key, host.Transactions.KnownRemovals, default))!;
            await host.Inbox.AppendAsync(
                transaction, [.. devices.Select(device => new ToDeviceMessage(Host.Bob(device), "@bob:hs1", "m.test", "{}"u8.ToArray(), 1))], default);
            await host.Outbox.AppendAsync(
                transaction, [.. devices.Select(device => new OutboundEdu($"{device}.hs2", $"m{key.TransactionId}", "{}"u8.ToArray()))], default);
            return await transaction.CommitAsync(default);
        }));

        Assert.That(results, Is.All.EqualTo(CommitResult.Committed));
        await View.ReachesAsync("SELECT sum(deadlocks) FROM pg_stat_database", 0);
        for (var device = 1; device < 12; device++)
            Assert.That(await One.ReadAsync($"B{device}"), Has.Count.EqualTo(sends.Count(send => send.devices.Contains($"B{device}"))));
    }

    [Test]
    public async Task D12_all_senders_to_one_device_through_two_hosts_lose_nothing()
    {
        var sends = await Task.WhenAll(Enumerable.Range(0, 2000).Select(n => (n % 2 == 0 ? One : Two).SendAsync($"t{n}", $"{n}", ["B1"], $"A{n % 50}")));

        Assert.That(sends, Is.All.EqualTo(CommitResult.Committed));
        Assert.That((await Two.ReadAsync("B1")).Order(), Is.EqualTo(Enumerable.Range(0, 2000).Select(n => $"{n}").Order()));
    }

    [Test]
    public async Task R84_EDUs_of_two_hosts_stand_in_the_order_of_their_commits()
    {
        for (var n = 0; n < 10; n++)
        {
            var host = n % 2 == 0 ? One : Two;
            await using var transaction = (await host.Transactions.BeginAsync(
                new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", $"t{n}"), host.Transactions.KnownRemovals, default))!;
            await host.Outbox.AppendAsync(transaction, [new OutboundEdu("hs2", $"m{n}", "{}"u8.ToArray())], default);
            await transaction.CommitAsync(default);
        }

        Assert.That((await Two.Outbox.ReadAsync("hs2", 100)).Select(edu => edu.MessageId), Is.EqualTo(Enumerable.Range(0, 10).Select(n => $"m{n}")));
    }

    [Test]
    public async Task Hosts_that_start_at_the_same_moment_on_an_empty_database_make_the_tables_once()
    {
        var database = TestCluster.NewDatabase();
        var hosts = Enumerable.Range(0, 6).Select(_ => new Host(database)).ToList();

        var results = await Task.WhenAll(hosts.Select((host, n) => Task.Run(() => host.SendAsync($"t{n}", $"{n}", "B1"))));

        Assert.That(results, Is.All.EqualTo(CommitResult.Committed));
        Assert.That(await hosts[0].ReadAsync("B1"), Has.Count.EqualTo(6));
        foreach (var host in hosts) await host.DisposeAsync();
    }

    [Test]
    public async Task D5_hosts_that_purge_at_the_same_time_forget_each_record_once_and_what_removals_leave_behind()
    {
        var future = TimeProvider.System.GetUtcNow() + TimeSpan.FromHours(1);
        for (var n = 0; n < 30; n++) await One.SendAsync($"t{n}", $"{n}", ["B1"], $"A{n}");
        for (var n = 0; n < 10; n++) await One.Inbox.RemoveDeviceAsync(new DeviceAddress("@alice:hs1", $"A{n}"), default);

        var purged = await Task.WhenAll(Enumerable.Range(0, 6).Select(n => (n % 2 == 0 ? One : Two).Transactions.PurgeAsync(TransactionKey.SendToDevice, future, 1000, default).AsTask()));

        Assert.That(purged.Sum(), Is.EqualTo(20));
        await One.Transactions.PurgeAsync(TransactionKey.SendToDevice, future, 1000, default);
        Assert.That(View.Count("SELECT count(*) FROM to_device.to_device_device"), Is.EqualTo(21), "removed devices are forgotten");
        Assert.That(await One.ReadAsync("B1"), Has.Count.EqualTo(30));
    }
}
