using System.Data;
using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice.Tests;

/// <summary>What the store says to a database: its locks, in one order.</summary>
public class PromisesInSqlTests
{
    private readonly SqliteDatabases _databases = new();
    private readonly CapturedStatements _statements = new();
    private string _name = null!;
    private EntityFrameworkHost _host = null!;

    [SetUp]
    public void Open()
    {
        _name = TestStore.NewName();
        TestStore.Create(_databases, _name);
        _host = new EntityFrameworkHost(options =>
        {
            _databases.Use(options, _name);
            options.AddInterceptors(_statements);
        });
    }

    [TearDown]
    public async Task CloseAsync()
    {
        await _host.DisposeAsync();
        await _databases.DeleteAsync(_name);
    }

    [Test]
    public async Task A_commit_locks_devices_in_the_order_of_their_keys_and_then_destinations()
    {
        string[] devices = [.. Enumerable.Range(0, 30).Select(n => $"B{n}")], servers = ["hs5", "hs3", "hs4", "hs2"];
        await _host.SendAsync("t1", "{}", devices, servers: servers);
        foreach (var order in (string[][])[devices, [.. devices.Reverse()]])
        {
            _statements.Clear();
            await _host.SendAsync($"t2{order[0]}", "{}", order, servers: servers);

            var locks = _statements.All.Where(statement => statement.Text.StartsWith("UPDATE", StringComparison.Ordinal)).ToList();
            var deviceLocks = locks.Where(statement => statement.Text.Contains("\"to_device_device\" SET \"locked_by\"", StringComparison.Ordinal)).ToList();
            var keys = deviceLocks.Select(statement => Convert.ToHexString(statement.Values.OfType<byte[]>().Single())).ToList();
            Assert.That(keys, Has.Count.EqualTo(31).And.Unique, "the sender is locked too");
            Assert.That(keys, Is.Ordered.Using((IComparer<string>)StringComparer.Ordinal));
            var destinations = locks.Where(statement => statement.Text.Contains("\"to_device_destination\" SET \"locked_by\"", StringComparison.Ordinal)).ToList();
            Assert.That(destinations.Select(statement => statement.Values.OfType<string>().Single()), Is.EqualTo(servers.Order().Select(server => Convert.ToHexString(System.Text.Encoding.UTF8.GetBytes(server)))));
            Assert.That(locks.IndexOf(destinations[0]), Is.GreaterThan(locks.IndexOf(deviceLocks[^1])), "destinations come behind devices");
        }
    }

    [Test]
    public async Task D21_nothing_is_kept_of_a_destination_for_which_nothing_waits()
    {
        await _host.SendAsync("t1", "{}", [], servers: ["hs2", "hs3"]);
        await _host.TakeAsync("one", TimeSpan.FromHours(1));
        await _host.Outbox.RemoveAsync("hs2", await _host.Outbox.ReadAsync("hs2", 0, 10, default), default);
        Assert.That(await CountAsync("to_device_destination"), Is.EqualTo(2), "it is taken");
        await _host.Outbox.ReleaseAsync("hs2", "one", 1, TimeSpan.FromHours(1), default);
        await _host.Outbox.ReleaseAsync("hs3", "one", 1, TimeSpan.FromHours(1), default);
        Assert.That(await CountAsync("to_device_destination"), Is.EqualTo(1));
        await _host.Outbox.RemoveAsync("hs3", await _host.Outbox.ReadAsync("hs3", 0, 10, default), default);
        Assert.That(await CountAsync("to_device_destination"), Is.Zero);
    }

    [Test]
    public async Task Nothing_is_kept_of_a_removed_device_when_its_removal_is_forgotten()
    {
        await _host.SendAsync("t1", "{}", "B1");
        await _host.Inbox.RemoveDeviceAsync(EntityFrameworkHost.Bob("B1"), default);
        await _host.Inbox.RemoveDeviceAsync(EntityFrameworkHost.Bob("B2"), default);
        await _host.SendAsync("t2", "{}", "B2");
        Assert.That(await CountAsync("to_device_device"), Is.EqualTo(3));

        await _host.Transactions.PurgeAsync(TransactionKey.SendToDevice, TimeProvider.System.GetUtcNow() + TimeSpan.FromMinutes(1), 100, default);
        Assert.That(await CountAsync("to_device_device"), Is.EqualTo(2), "the sender, and the one that came back");
        await _host.SendAsync("t3", "{}", "B2");
        using var page = await _host.Inbox.ReadAsync(EntityFrameworkHost.Bob("B2"), InboxPosition.Start, 10, int.MaxValue, default);
        Assert.That(page.Messages.Select(message => message.Position.Sequence), Is.EqualTo(new[] { 1, 2 }));
    }

    [Test]
    public async Task A_page_is_measured_before_its_contents_are_fetched()
    {
        for (var n = 0; n < 5; n++) await _host.SendAsync($"t{n}", new string('x', 1000), "B1");
        _statements.Clear();
        using var page = await _host.Inbox.ReadAsync(EntityFrameworkHost.Bob("B1"), InboxPosition.Start, 100, 2100, default);

        Assert.That(page.Messages, Has.Count.EqualTo(2));
        Assert.That(page.HasMore);
        Assert.That(_statements.All.Count(statement => statement.Text.Contains("\"content\"", StringComparison.Ordinal)), Is.EqualTo(1));
        Assert.That(_statements.All[^1].Values, Does.Contain(2L), "up to the second message");
        _statements.Clear();
        using var empty = await _host.Inbox.ReadAsync(EntityFrameworkHost.Bob("B2"), InboxPosition.Start, 100, 2100, default);
        Assert.That(_statements.All, Has.Count.EqualTo(1), "an empty sync is one statement");
    }

    private async Task<long> CountAsync(string table)
    {
        var options = new DbContextOptionsBuilder<HomeserverDb>();
        _databases.Use(options, _name);
        await using var db = new HomeserverDb(options.Options);
        await using var command = db.Database.GetDbConnection().CreateCommand();
        command.CommandText = $"SELECT count(*) FROM {table}";
        if (command.Connection!.State != ConnectionState.Open) await command.Connection.OpenAsync();
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
