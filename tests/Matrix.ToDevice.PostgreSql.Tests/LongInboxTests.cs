using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>An inbox that has grown long is acknowledged at once, and nobody waits for it.</summary>
public class LongInboxTests : TwoHostsTests
{
    private const int Count = 5000, Held = 3500;
    private static readonly DeviceAddress s_device = Host.Bob("B1");

    private InboxPosition _last;

    [SetUp]
    public async Task FillAsync()
    {
        await One.SendAsync("t1", "1", Enumerable.Repeat("B1", Count));
        using var page = await One.Inbox.ReadAsync(s_device, InboxPosition.Start, Count, int.MaxValue, default);
        _last = page.Messages[^1].Position;
    }

    [Test]
    public async Task An_acknowledgement_gives_way_to_others_and_takes_with_it_what_is_behind_it()
    {
        await using var connection = View.Open();
        await using var holding = await HoldAsync(connection);
        var acknowledging = One.Inbox.AcknowledgeAsync(s_device, _last, default).AsTask();
        await View.ReachesAsync(Waiting, 1);

        Assert.That(View.Count("SELECT min(sequence) FROM to_device.to_device_message"), Is.EqualTo(3001), "so much is done for good");
        Assert.That(await Two.SendAsync("t2", "2", "B2"), Is.EqualTo(CommitResult.Committed), "to another device");

        await holding.RollbackAsync();
        Assert.That(await acknowledging, Is.EqualTo(Count));
        Assert.That(await Two.SendAsync("t3", "3", "B1"), Is.EqualTo(CommitResult.Committed));
        Assert.That(await Two.ReadAsync("B1"), Is.EqualTo(new[] { "3" }));
        Assert.That(View.Count("SELECT acknowledged FROM to_device.to_device_device WHERE device_id = 'B1'"), Is.EqualTo(Count));
    }

    [Test]
    public async Task D11_one_that_broke_off_is_made_again()
    {
        await using (var connection = View.Open())
        {
            await using var holding = await HoldAsync(connection);
            using var stop = new CancellationTokenSource();
            var acknowledging = One.Inbox.AcknowledgeAsync(s_device, _last, stop.Token).AsTask();
            await View.ReachesAsync(Waiting, 1);
            await stop.CancelAsync();
            Assert.That(async () => await acknowledging, Throws.InstanceOf<OperationCanceledException>());
            await holding.RollbackAsync();
        }

        Assert.That(await One.ReadAsync("B1"), Has.Count.EqualTo(Count - 3000), "what is left is in order, without a gap");
        Assert.That(await Two.Inbox.AcknowledgeAsync(s_device, _last, default), Is.EqualTo(Count - 3000));
        Assert.That(await Two.ReadAsync("B1"), Is.Empty);
    }

    /// <summary>Two portions are done, and then the device ends. The next one of that ID has as many messages.</summary>
    [Test]
    public async Task D6_one_that_meets_a_removal_leaves_the_next_device_its_messages()
    {
        await using var connection = View.Open();
        await using var holding = await HoldAsync(connection);
        var acknowledging = One.Inbox.AcknowledgeAsync(s_device, _last, default).AsTask();
        await View.ReachesAsync(Waiting, 1);
        var removing = Two.Inbox.RemoveDeviceAsync(s_device, default).AsTask();
        await View.ReachesAsync(Waiting, 2);

        await holding.RollbackAsync();
        await Task.WhenAll(acknowledging, removing);
        await Two.SendAsync("t2", "2", Enumerable.Repeat("B1", Count), knownRemovals: Two.Transactions.KnownRemovals);

        Assert.That(await One.ReadAsync("B1"), Has.Count.EqualTo(Count));
    }

    /// <summary>Holds a message on the way.</summary>
    private static async Task<NpgsqlTransaction> HoldAsync(NpgsqlConnection connection)
    {
        var transaction = await connection.BeginTransactionAsync();
        await using var command = new NpgsqlCommand($"SELECT FROM to_device.to_device_message WHERE sequence = {Held} FOR UPDATE", connection, transaction);
        await command.ExecuteNonQueryAsync();
        return transaction;
    }
}
