using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// Whoever locks several rows does it in one order, whatever the plan: somebody holds the first one, and has all others to take.
/// </summary>
public class LockOrderTests : TwoHostsTests
{
    private const string Free = "SELECT count(*) FROM (SELECT FROM to_device.to_device_transaction FOR UPDATE SKIP LOCKED) free";

    // The largest key first, in the table too.
    private static readonly string[] s_txnIds = [.. Enumerable.Range(0, 10).Select(n => $"t{n}").OrderByDescending(
        txnId => new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", txnId).Fingerprint())];

    private Host _host = null!;

    [SetUp]
    public async Task SendAsync()
    {
        // The order must not be that of an index by chance.
        _host = new Host($"{Database};Options=-c enable_indexscan=off -c enable_bitmapscan=off", options => options.Writers = 1);
        foreach (var txnId in s_txnIds) await _host.SendAsync(txnId, "x", ["B1"]);
        await _host.SendAsync("first", "x", ["B2"], "A2");
    }

    [TearDown]
    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Test]
    public async Task Retries_lock_their_records_in_one_order()
    {
        Task<CommitResult> held;
        List<Task<CommitResult>> retries;
        using var smallest = Lock("SELECT FROM to_device.to_device_transaction WHERE device_id = 'A1' ORDER BY key LIMIT 1 FOR UPDATE");
        using (Lock("SELECT FROM to_device.to_device_device WHERE device_id = 'B2' FOR UPDATE"))
        {
            held = _host.SendAsync("held", "x", ["B2"], "A2");
            await View.ReachesAsync(Waiting, 1);
            retries = [.. s_txnIds.Select(txnId => _host.SendAsync(txnId, "again", ["B1"]))];
        }

        await held;
        await View.ReachesAsync(Waiting, 1);
        Assert.That(View.Count(Free), Is.EqualTo(s_txnIds.Length - 1 + 2), "all but the one that somebody holds");

        smallest.Dispose();
        Assert.That(await Task.WhenAll(retries), Is.All.EqualTo(CommitResult.AlreadyCommitted));
    }

    [Test]
    public async Task A_removal_locks_the_records_of_its_device_in_the_same_order()
    {
        Task removal;
        using (Lock("SELECT FROM to_device.to_device_transaction WHERE device_id = 'A1' ORDER BY key LIMIT 1 FOR UPDATE"))
        {
            removal = _host.Inbox.RemoveDeviceAsync(new DeviceAddress("@alice:hs1", "A1"), default).AsTask();
            await View.ReachesAsync(Waiting, 1);
            Assert.That(View.Count(Free), Is.EqualTo(s_txnIds.Length - 1 + 1), "all but the one that somebody holds");
        }

        await removal;
        Assert.That(View.Count("SELECT count(*) FROM to_device.to_device_transaction"), Is.EqualTo(1));
    }

    /// <summary>A commit and a removal have the device's row before any message of it: so has an acknowledgement that writes to it.</summary>
    [Test]
    public async Task An_acknowledgement_locks_its_device_before_the_messages()
    {
        const string Messages = "SELECT count(*) FROM (SELECT FROM to_device.to_device_message WHERE device_id = 'B3' FOR UPDATE SKIP LOCKED) free";
        const int Count = 1000;
        await _host.SendAsync("many", "x", Enumerable.Repeat("B3", Count));
        using var page = await _host.Inbox.ReadAsync(Host.Bob("B3"), InboxPosition.Start, Count, int.MaxValue, default);
        Task<int> acknowledgement;
        using (Lock("SELECT FROM to_device.to_device_device WHERE device_id = 'B3' FOR UPDATE"))
        {
            acknowledgement = _host.Inbox.AcknowledgeAsync(Host.Bob("B3"), page.Messages[^1].Position, default).AsTask();
            await View.ReachesAsync(Waiting, 1);
            Assert.That(View.Count(Messages), Is.EqualTo(Count));
        }

        Assert.That(await acknowledgement, Is.EqualTo(Count));
        Assert.That(View.Count("SELECT acknowledged FROM to_device.to_device_device WHERE device_id = 'B3'"), Is.EqualTo(Count));
    }

    /// <summary>As one that is removed with a long inbox: sends to the others would wait with it. It comes with the next call.</summary>
    [Test]
    public async Task D6_an_expiry_that_has_devices_locked_waits_for_none_that_somebody_else_has()
    {
        await _host.SendAsync("old", "x", ["E1", "E2", "E3"]);
        View.Execute("UPDATE to_device.to_device_message SET committed_at = now() - interval '1 day' WHERE device_id LIKE 'E%'");
        var before = TimeProvider.System.GetUtcNow() - TimeSpan.FromHours(1);
        using (Lock("SELECT FROM to_device.to_device_device WHERE device_id = 'E2' FOR UPDATE"))
            Assert.That(await _host.Upkeep.ExpireAsync(before, 100, default), Is.EqualTo(2), "E1 and E3");

        Assert.That(await _host.Upkeep.ExpireAsync(before, 100, default), Is.EqualTo(1));
    }

    /// <summary>A connection of its own, whose locks end with it.</summary>
    private NpgsqlConnection Lock(string sql)
    {
        var connection = View.Open();
        using var command = new NpgsqlCommand($"BEGIN; {sql}", connection);
        command.ExecuteNonQuery();
        return connection;
    }
}
