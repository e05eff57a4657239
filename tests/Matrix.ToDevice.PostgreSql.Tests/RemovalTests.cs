using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>A homeserver with its devices in the same database ends them in its own transaction (D6).</summary>
public class RemovalTests
{
    private string _database = null!;
    private DatabaseView _view = null!;

    [SetUp]
    public void SetUp()
    {
        _database = TestCluster.NewDatabase();
        _view = new DatabaseView(_database);
        _view.Execute("CREATE TABLE device (id text); INSERT INTO device VALUES ('B1')");
    }

    [Test]
    public async Task D6_a_device_and_its_messages_go_in_one_transaction_of_the_homeserver()
    {
        await using var one = new Host(_database);
        await using var two = new Host(_database);
        await one.SendAsync("t1", "1", ["B1", "B2"]);
        var before = two.Transactions.KnownRemovals;

        await using (var connection = _view.Open())
        {
            await using var transaction = await DeleteAsync(connection);
            await one.Devices.RemoveAndCommitAsync(transaction, Host.Bob("B1"), default);
        }

        Assert.That(_view.Count("SELECT count(*) FROM device"), Is.Zero);
        Assert.That(await two.ReadAsync("B1"), Is.Empty);
        Assert.That(await two.ReadAsync("B2"), Is.EqualTo(new[] { "1" }), "the other device keeps its own");
        Assert.That(
            await two.SendAsync("t2", "2", ["B1"], knownRemovals: before), Is.EqualTo(CommitResult.DeviceRemoved),
            "a send that had looked the device up before");
        Assert.That(one.Transactions.KnownRemovals, Is.GreaterThan(before), "the host has learned of it");
    }

    [Test]
    public async Task D6_what_is_not_committed_has_ended_nothing()
    {
        await using var host = new Host(_database);
        await host.SendAsync("t1", "1", "B1");

        await using (var connection = _view.Open())
        {
            await using var transaction = await DeleteAsync(connection);
            _view.Disconnect("state = 'idle in transaction'");
            Assert.That(
                async () => await host.Devices.RemoveAndCommitAsync(transaction, Host.Bob("B1"), default),
                Throws.TypeOf<PostgreSqlStoreException>());
        }

        Assert.That(_view.Count("SELECT count(*) FROM device"), Is.EqualTo(1));
        Assert.That(await host.ReadAsync("B1"), Is.EqualTo(new[] { "1" }));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task D6_such_an_end_ends_the_long_poll_of_the_device_on_every_host(bool onTheSameHost)
    {
        await using var servers = await TwoServers.StartAsync(_database, TimeSpan.FromDays(1));
        using var waiting = WaitingSyncs.Of(servers.Two.Services);
        var poll = servers.Bob.SyncAsync(timeout: 120_000);
        await waiting.ReachesAsync(1);

        await using (var connection = _view.Open())
        {
            await using var transaction = await DeleteAsync(connection);
            var ending = onTheSameHost ? servers.Two : servers.One;
            await ending.Services.GetRequiredService<PostgreSqlDevices>().RemoveAndCommitAsync(transaction, Host.Bob("B1"), default);
        }

        Assert.That((await poll).Events, Is.Empty);
    }

    private static async Task<NpgsqlTransaction> DeleteAsync(NpgsqlConnection connection)
    {
        var transaction = await connection.BeginTransactionAsync();
        await using var command = new NpgsqlCommand("DELETE FROM device WHERE id = 'B1'", connection);
        await command.ExecuteNonQueryAsync();
        return transaction;
    }
}
