using System.Text;
using System.Text.RegularExpressions;

namespace Matrix.ToDevice.Tests;

/// <summary>What operators ask of a file, and what is done with it now and then.</summary>
public class UpkeepTests
{
    private static readonly DeviceAddress s_bob = new("@bob:hs1", "B1");
    private static readonly InboxSize s_all = new(1_000_000, 1_000_000_000);

    private string _path = null!;

    private static DateTimeOffset Later => TimeProvider.System.GetUtcNow() + TimeSpan.FromHours(1);

    [SetUp]
    public void SetUp() => _path = TestFolder.NewFile();

    /// <summary>More than one portion, of which a part was acknowledged and lies there still.</summary>
    [Test]
    public async Task D11_many_messages_expire_and_their_space_is_given_back()
    {
        await using var store = SqliteStores.Open(_path);
        await store.SendAsync("t1", "old", [.. Enumerable.Repeat("B1", 5000)]);
        using (var page = await store.Inbox.ReadAsync(s_bob, InboxPosition.Start, 500, int.MaxValue, default))
            await store.Inbox.AcknowledgeAsync(s_bob, page.Messages[^1].Position, default);

        Assert.That(await store.Upkeep.ExpireAsync(Later, 3000, default), Is.EqualTo(3000));
        Assert.That((await store.Upkeep.MeasureAsync([s_bob], s_all, default))[0], Is.EqualTo(new InboxSize(1500, 1500 * 3)));
        Assert.That(await store.Upkeep.ExpireAsync(Later, 3000, default), Is.EqualTo(1500));
        Assert.That(await store.Upkeep.ExpireAsync(Later, 3000, default), Is.Zero);
        using var limit = new CancellationTokenSource(TimeLimit.OfOneWait);
        while (SqliteFileView.Count(_path, "SELECT count(*) FROM to_device_message") > 0)
        {
            Assert.That(limit.IsCancellationRequested, Is.False, "they are deleted behind it");
            await store.Upkeep.TryTakeAsync("another commit", TimeSpan.Zero, default);
        }

        await store.SendAsync("t2", "new", "B1");
        using var last = await store.Inbox.ReadAsync(s_bob, InboxPosition.Start, 10, int.MaxValue, default);
        Assert.That(last.Messages.Single().Position.Sequence, Is.EqualTo(5001));
    }

    /// <summary>The clock was years ahead for a while.</summary>
    [Test]
    public async Task A_message_with_a_time_that_is_still_to_come_keeps_its_own_inbox_and_no_other()
    {
        await using var store = SqliteStores.Open(_path);
        await store.SendAsync("t1", "1", "B1");
        await store.SendAsync("t2", "2", "B2");
        SqliteFileView.Execute(_path, $"UPDATE to_device_message SET committed_at = {Later.AddYears(5).ToUnixTimeMilliseconds()} WHERE id = 1");
        await store.SendAsync("t3", "3", "B1", "B2");

        Assert.That(await store.Upkeep.ExpireAsync(Later, 10, default), Is.EqualTo(2));
        Assert.That((await store.SyncAsync("B1")).Contents, Is.EqualTo(new[] { "1", "3" }));
        Assert.That((await store.SyncAsync("B2")).Contents, Is.Empty);
    }

    /// <summary>So that others write in between, however many there are.</summary>
    [Test]
    public async Task Messages_with_times_that_are_still_to_come_are_passed_over_in_portions()
    {
        await using (var first = SqliteStores.Open(_path))
        {
            await first.SendAsync("t1", "1", [.. Enumerable.Repeat("B1", 8000)]);
            await first.SendAsync("t2", "2", "B2");
        }

        SqliteFileView.Execute(_path, $"UPDATE to_device_message SET committed_at = {Later.AddYears(5).ToUnixTimeMilliseconds()} WHERE sequence > 1 OR id = 1");
        using var trace = new StatementTrace(_path);
        await using var store = SqliteStores.Open(_path);
        await store.SendAsync("t3", "3", "B1", "B2");
        trace.Take();

        Assert.That(await store.Upkeep.ExpireAsync(Later, 10, default), Is.EqualTo(2), "those of B2");

        Assert.That(trace.Take().Count(sql => sql.Contains("m.committed_at, d.user_id", StringComparison.Ordinal)), Is.EqualTo(5));
        Assert.That((await store.SyncAsync("B2")).Contents, Is.Empty);
        Assert.That((await store.Upkeep.MeasureAsync([s_bob], new InboxSize(long.MaxValue, 0), default))[0].Messages, Is.EqualTo(8001), "the portions before keep the last one");
    }

    /// <summary>A look at each inbox, and not at each message or content.</summary>
    [Test]
    public async Task What_waits_is_measured_by_the_index_of_the_devices()
    {
        using var trace = new StatementTrace(_path);
        await using (var store = SqliteStores.Open(_path))
        {
            await store.SendAsync("t1", "1", "B1");
            trace.Take();
            await store.Upkeep.MeasureAsync(default);
            await store.Upkeep.MeasureAsync([s_bob], new InboxSize(1, 1000), default);
        }

        var statements = trace.Take().Where(sql => sql.Contains("FROM to_device_message m", StringComparison.Ordinal)).ToList();
        Assert.That(statements, Has.Count.EqualTo(2), "and the lengths are left out where there are messages enough");
        foreach (var statement in statements)
        {
            using var connection = SqliteFileView.Open(_path);
            using var command = connection.CreateCommand();
            command.CommandText = "EXPLAIN QUERY PLAN " + statement;
            for (var n = 1; n <= 2; n++) command.Parameters.AddWithValue($"?{n}", 1);
            using var reader = command.ExecuteReader();
            var plan = new StringBuilder();
            while (reader.Read()) plan.AppendLine(reader.GetString(3));
            Assert.That(plan.ToString(), Does.Not.Contain("SCAN m").And.Not.Contains("SCAN to_device").And.Not.Contains("TEMP B-TREE"), statement);
            Assert.That(Regex.Count(plan.ToString(), "SEARCH m "), Is.EqualTo(Regex.Count(plan.ToString(), "SEARCH m USING COVERING INDEX to_device_message_by_device")));
        }
    }

    [Test]
    public async Task A_file_that_can_be_read_and_written_is_well()
    {
        await using var store = SqliteStores.Open(_path);
        Assert.That(await store.Upkeep.CheckAsync(default), Is.Null);
        Assert.That(await store.Upkeep.CheckAsync(default), Is.Null, "and again");
        Assert.That(SqliteFileView.Count(_path, "SELECT count(*) FROM to_device_upkeep"), Is.EqualTo(1), "it has written");
    }

    [Test]
    public async Task A_file_that_cannot_be_written_is_not_well_and_the_exception_says_why()
    {
        await using var store = SqliteStores.Open(_path, options => options.BusyTimeout = TimeSpan.FromMilliseconds(100));
        await store.SendAsync("t1", "1", "B1");
        using (var other = SqliteFileView.Open(_path))
        {
            using var command = other.CreateCommand();
            command.CommandText = "BEGIN IMMEDIATE";
            command.ExecuteNonQuery();
            await ThrowsAsync(store, "locked by another program");
        }

        Assert.That(await store.Upkeep.CheckAsync(default), Is.Null);
    }

    [Test]
    public async Task A_lock_or_a_file_that_has_gone_is_found_out()
    {
        await using (var store = SqliteStores.Open(_path))
        {
            await store.SendAsync("t1", "1", "B1");
            File.Delete(_path + ".lock");
            await ThrowsAsync(store, ".lock was deleted or replaced");
            await File.WriteAllTextAsync(_path + ".lock", "");
            await ThrowsAsync(store, ".lock was deleted or replaced");
        }

        await using var again = SqliteStores.Open(_path);
        Assert.That(await again.Upkeep.CheckAsync(default), Is.Null);
        File.Move(_path, _path + ".moved");
        await ThrowsAsync(again, "was deleted or moved");
        File.Move(_path + ".moved", _path);
        Assert.That(await again.Upkeep.CheckAsync(default), Is.Null);
    }

    [Test]
    public async Task A_log_that_another_program_keeps_from_beginning_anew_is_told_of()
    {
        await using var store = SqliteStores.Open(_path, options => options.CheckpointBytes = 32768);
        await store.SendAsync("t1", "1", "B1");
        using (var other = SqliteFileView.Open(_path))
        {
            using var command = other.CreateCommand();
            command.CommandText = "BEGIN; SELECT count(*) FROM to_device_message";
            command.ExecuteScalar();
            for (var n = 0; n < 20; n++) await store.SendAsync($"a{n}", new string('x', 20_000), "B1");
            Assert.That(await store.Upkeep.CheckAsync(default), Does.Contain("has been reading the file for long"));
        }

        // Its size goes back when it begins anew.
        using var limit = new CancellationTokenSource(TimeLimit.OfOneWait);
        for (var n = 0; await store.Upkeep.CheckAsync(default) is not null; n++)
        {
            Assert.That(limit.IsCancellationRequested, Is.False, "it begins anew");
            await store.SendAsync($"b{n}", "1", "B1");
        }
    }

    private static async Task ThrowsAsync(SqliteStores store, string expected)
    {
        try
        {
            await store.Upkeep.CheckAsync(default);
        }
        catch (SqliteStoreException exception)
        {
            Assert.That(exception.Message, Does.Contain(expected));
            return;
        }

        Assert.Fail($"well, but should be: {expected}");
    }
}
