namespace Matrix.ToDevice.Tests;

/// <summary>What a commit is compared with: the last removals of the devices that it names, and no others (D6).</summary>
public class RemovalNumberTests : TwoHostsTests
{
    [Test]
    public async Task D6_a_send_waits_for_no_removal_of_a_device_that_it_does_not_name()
    {
        await Two.SendAsync("t0", "0", "B1");
        await One.Inbox.RemoveDeviceAsync(Host.Bob("other"), default);

        using var connection = View.Open();
        using var transaction = connection.BeginTransaction();
        using var command = connection.CreateCommand();
        command.CommandText = "LOCK TABLE to_device.to_device_removals IN ACCESS EXCLUSIVE MODE";
        command.ExecuteNonQuery();
        var send = Two.SendAsync("t1", "1", ["B1"], knownRemovals: 0);

        Assert.That(await send.WaitAsync(TimeSpan.FromSeconds(60)), Is.EqualTo(CommitResult.Committed));
    }

    [Test]
    public async Task D6_of_sends_to_one_device_in_a_batch_the_one_that_looked_it_up_before_its_removal_is_refused()
    {
        await using var host = new Host(Database, options => options.Writers = 1);
        await host.SendAsync("t0", "0", ["B1", "B2"]);
        var before = host.Transactions.KnownRemovals;
        await One.Inbox.RemoveDeviceAsync(Host.Bob("B1"), default);
        var after = One.Transactions.KnownRemovals;
        Task<CommitResult> newer, older;
        using (var connection = View.Open())
        {
            using var transaction = connection.BeginTransaction();
            using var command = connection.CreateCommand();
            command.CommandText = "SELECT FROM to_device.to_device_device WHERE device_id = 'B2' FOR UPDATE";
            command.ExecuteNonQuery();
            var held = host.SendAsync("held", "x", "B2");
            await View.ReachesAsync(Waiting, 1);
            newer = host.SendAsync("newer", "newer", ["B1"], "A2", after);
            older = host.SendAsync("older", "older", ["B1"], "A3", before);
        }

        Assert.That(await newer, Is.EqualTo(CommitResult.Committed));
        Assert.That(await older, Is.EqualTo(CommitResult.DeviceRemoved));
        Assert.That(await host.ReadAsync("B1"), Is.EqualTo(new[] { "newer" }));
    }

    [Test]
    public async Task D6_a_database_that_has_lost_its_last_removals_gives_their_numbers_to_no_others()
    {
        await One.SendAsync("t0", "0", "B1");
        await One.Inbox.RemoveDeviceAsync(Host.Bob("other1"), default);
        var kept = View.Count("SELECT last FROM to_device.to_device_removals");
        await One.Inbox.RemoveDeviceAsync(Host.Bob("other2"), default);
        await One.Inbox.RemoveDeviceAsync(Host.Bob("other3"), default);
        var known = One.Transactions.KnownRemovals;

        View.Execute($"""
            UPDATE to_device.to_device_removals SET last = {kept};
            DELETE FROM to_device.to_device_device WHERE device_id IN ('other2', 'other3')
            """);
        await Two.Inbox.RemoveDeviceAsync(Host.Bob("B1"), default);

        Assert.That(await One.SendAsync("t1", "1", ["B1"], knownRemovals: known), Is.EqualTo(CommitResult.DeviceRemoved));
    }

    [Test]
    public async Task D12_a_device_that_has_come_back_counts_on_when_its_removal_is_forgotten()
    {
        await One.SendAsync("t0", "0", "B1");
        await One.Inbox.RemoveDeviceAsync(Host.Bob("B1"), default);
        await One.SendAsync("t1", "1", "B1");
        await One.SendAsync("t2", "2", "B1");

        await Two.Transactions.PurgeAsync(TransactionKey.SendToDevice, TimeProvider.System.GetUtcNow() + TimeSpan.FromHours(1), 1000, default);
        Assert.That(View.Count("SELECT count(*) FROM to_device.to_device_device WHERE removal > 0"), Is.Zero, "it is forgotten");
        await Two.SendAsync("t3", "3", "B1");

        Assert.That(await One.ReadAsync("B1"), Is.EqualTo(new[] { "1", "2", "3" }));
    }
}
