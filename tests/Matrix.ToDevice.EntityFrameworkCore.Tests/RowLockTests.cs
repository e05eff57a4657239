using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>What happens while somebody else has the row of a device, step by step on PostgreSQL.</summary>
public class RowLockTests
{
    private readonly PostgreSqlDatabases _databases = new();
    private string _name = null!;
    private EntityFrameworkHost _one = null!, _two = null!;

    [SetUp]
    public async Task OpenAsync()
    {
        _name = TestStore.NewName();
        TestStore.Create(_databases, _name);
        _one = new EntityFrameworkHost(options => _databases.Use(options, _name));
        _two = new EntityFrameworkHost(options => _databases.Use(options, _name));
        await _one.SendAsync("t0", "0", ["B1", "B2"]);
    }

    [TearDown]
    public async Task CloseAsync()
    {
        await _one.DisposeAsync();
        await _two.DisposeAsync();
        await _databases.DeleteAsync(_name);
    }

    [Test]
    public async Task D6_an_acknowledgement_that_meets_the_end_of_its_device_deletes_nothing_of_the_later_one()
    {
        using var page = await _one.Inbox.ReadAsync(EntityFrameworkHost.Bob("B1"), InboxPosition.Start, 10, int.MaxValue, default);
        await using var connection = await ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await ExecuteAsync(connection, "UPDATE to_device_device SET locked_by = -1");
        var acknowledging = _two.Inbox.AcknowledgeAsync(EntityFrameworkHost.Bob("B1"), page.Messages[0].Position, default).AsTask();
        await WaitsAsync(1);

        // The device goes, and a later one of its ID gets a message that has the same number.
        await ExecuteAsync(connection, "UPDATE to_device_message SET send_id = send_id + 1");
        await transaction.CommitAsync();

        Assert.That(await acknowledging, Is.Zero);
        Assert.That(await _one.ReadAsync("B1"), Is.EqualTo(new[] { "0" }));
    }

    /// <summary>The first commit hangs before it has its place in B1's inbox or behind: whoever comes next waits, and no reader sees a gap.</summary>
    [Test]
    public async Task D12_no_page_has_a_gap_while_a_slow_commit_holds_a_position()
    {
        Task<CommitResult> slow, fast;
        await using (var connection = await ConnectAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            // The last of the rows that the slow one takes.
            await ExecuteAsync(connection, "UPDATE to_device_device SET locked_by = -1 WHERE device = (SELECT device FROM to_device_device ORDER BY device DESC LIMIT 1)");
            slow = _one.SendAsync("slow", "slow", ["B1", "B2"]);
            await WaitsAsync(1);
            fast = _two.SendAsync("fast", "fast", ["B1", "B2"]);
            await WaitsAsync(2);
            Assert.That(await _two.ReadAsync("B1"), Is.EqualTo(new[] { "0" }));
            Assert.That(await _two.ReadAsync("B2"), Is.EqualTo(new[] { "0" }));
            await transaction.CommitAsync();
        }

        Assert.That(await Task.WhenAll(slow, fast), Is.All.EqualTo(CommitResult.Committed));
        Assert.That(await _two.ReadAsync("B1"), Is.EqualTo(new[] { "0", "slow", "fast" }));
        Assert.That(await _two.ReadAsync("B2"), Is.EqualTo(new[] { "0", "slow", "fast" }));
        Assert.That(
            TestServers.PostgreSql.Query($"SELECT deadlocks FROM pg_stat_database WHERE datname = '{_name}'"), Is.EqualTo(0L));
    }

    private async Task<NpgsqlConnection> ConnectAsync()
    {
        var connection = new NpgsqlConnection($"{PostgreSqlDatabases.ConnectionString(_name)};Pooling=false");
        await connection.OpenAsync();
        return connection;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Waits until so many connections wait for a lock.</summary>
    private async Task WaitsAsync(long count)
    {
        await using var connection = await ConnectAsync();
        await using var command = new NpgsqlCommand(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'", connection);
        while ((long)(await command.ExecuteScalarAsync())! != count) await TimeLimit.OneMoreTurnAsync();
    }
}
