using System.Text.RegularExpressions;
using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>What a page costs the database and the way to it, whatever waits behind it.</summary>
public class PageCostTests
{
    private const int MaxBytes = 1 << 20, Large = 390_000;
    private static readonly DeviceAddress s_device = new("@bob:hs1", "B1");

    private string _database = null!;
    private DatabaseView _view = null!;

    [SetUp]
    public async Task SetUpAsync()
    {
        _database = TestCluster.NewDatabase();
        _view = new DatabaseView(_database);
        await using var host = new Host(_database);
        await host.SendAsync("t", "1", "other");
    }

    /// <summary>A hundred contents as large as the limit allows, and among them others.</summary>
    [TestCase("n % 1 = 0", 2)]
    [TestCase("n % 2 = 0", 5)]
    [TestCase("n > 20", 22)]
    [TestCase("n > 99", 100)]
    public async Task D19_a_page_brings_little_more_over_the_connection_than_it_holds(string isLarge, int messages)
    {
        Fill(100, $"CASE WHEN {isLarge} THEN {Large} ELSE 5000 END");
        using var proxy = new TestProxy(TestCluster.Cluster.Port);
        await using var host = new Host($"{_database};Port={proxy.Port}", options => options.Notifications = false);
        (await host.Inbox.ReadAsync(Host.Bob("nobody"), InboxPosition.Start, 100, MaxBytes, default)).Dispose();

        var before = proxy.Answered;
        using var page = await host.Inbox.ReadAsync(s_device, InboxPosition.Start, 100, MaxBytes, default);

        Assert.That((page.Messages.Count, page.HasMore), Is.EqualTo((messages, messages < 100)));
        Assert.That(proxy.Answered - before, Is.LessThan(2 * MaxBytes));

        before = proxy.Answered;
        Assert.That(await host.ToDevice.WaitAsync(s_device, null, TimeSpan.Zero, default), Is.True);
        Assert.That(proxy.Answered - before, Is.LessThan(Large + 10_000), "whether there is a message");
    }

    /// <summary>An inbox of 100,000, and as many rows of others: a page goes along the index, and ends.</summary>
    [Test]
    public void D19_a_page_is_read_along_the_index_up_to_its_end(
        [Values("Small", "Large")] string statement, [Values("force_generic_plan", "force_custom_plan")] string planCacheMode,
        [Values("@bob:hs1", "@u7:hs1", "@nobody:hs1")] string userId)
    {
        Fill(100_000, "300");
        _view.Execute("""
            INSERT INTO to_device.to_device_message (user_id, device_id, sequence, send_id, sender, event_type, content)
            SELECT '@u' || n % 1000 || ':hs1', 'B1', n, n, '@alice:hs1', 'm.test', decode(repeat('78', 300), 'hex') FROM generate_series(1, 100000) n;
            ANALYZE to_device.to_device_message
            """);
        var plan = StatementPlans.Plan(
            _view, planCacheMode, PageStatement(statement), "text, text, bigint, bigint, bigint", $"'{userId}', 'B1', 0, 101, {(statement == "Small" ? MaxBytes / 101 : MaxBytes)}");

        Assert.That(plan, Does.Contain("Index Scan using to_device_message_pkey").And.Not.Contains("Seq Scan").And.Not.Contains("Sort"));
        Assert.That(Regex.Matches(plan, @"rows=(\d+)").Select(match => int.Parse(match.Groups[1].Value)), Is.All.LessThanOrEqualTo(101), plan);
    }

    /// <summary>
    /// What was acknowledged leaves dead rows, which an old snapshot anywhere in the database keeps: nobody goes through them again.
    /// </summary>
    [Test]
    public async Task What_an_acknowledgement_and_a_read_touch_does_not_grow_with_what_was_acknowledged_before()
    {
        const int Messages = 20_000;
        Fill(Messages, "300");
        await using var host = new Host(_database);
        await using var connection = _view.Open();
        await using var snapshot = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead);
        await using var look = new NpgsqlCommand("SELECT count(*) FROM to_device.to_device_message", connection);
        await look.ExecuteScalarAsync();

        await AcknowledgeAsync(1, 2_000);
        var few = (Read(), Acknowledge(2_100));
        await AcknowledgeAsync(2_200, 18_000);
        var many = (Read(), Acknowledge(18_100));

        TestContext.Out.WriteLine($"{few} buffers, then {many}");
        Assert.That(many.Item1, Is.LessThan(few.Item1 + 50), "a page");
        Assert.That(many.Item2, Is.LessThan(few.Item2 + 50), "an acknowledgement");

        async Task AcknowledgeAsync(int from, int upTo)
        {
            for (var n = from / 100 * 100 + 100; n <= upTo; n += 100)
                Assert.That(await host.Inbox.AcknowledgeAsync(s_device, new InboxPosition(n, n), default), Is.Positive);
        }

        long Read() => StatementPlans.Buffers(
            _view, PageStatement("Small"), "text, text, bigint, bigint, bigint", $"'{s_device.UserId}', '{s_device.DeviceId}', 0, 101, {MaxBytes / 101}");

        long Acknowledge(int upTo) => StatementPlans.Buffers(
            _view, StatementPlans.Source("Writing/PostgreSqlCleaner.cs", @"_acknowledge = \$""(.*?)"";"), "text, text, bigint, bigint, bigint",
            $"'{s_device.UserId}', '{s_device.DeviceId}', {upTo}, {upTo}, 1000");
    }

    /// <summary>A session plans a function once. By then, the database had counted one message.</summary>
    [Test]
    public void An_acknowledgement_that_was_planned_for_few_messages_goes_along_the_index()
    {
        _view.Execute("ANALYZE to_device.to_device_message");
        var sendId = _view.Count("SELECT send_id FROM to_device.to_device_message");

        var buffers = StatementPlans.Buffers(
            _view, "auto", FormattableString.Invariant($"SELECT * FROM to_device.to_device_acknowledge('@bob:hs1', 'other', 1, {sendId}, 1000)"), 1,
            () => Fill(20_000, "300"));

        Assert.That(buffers, Is.LessThan(100));
    }

    private static string PageStatement(string name) =>
        StatementPlans.Source("Reading/PostgreSqlReader.cs", $@"{name}\(string oldest, string contentBytes\) => \$""""""(.*?)""""""")
            .Replace("{oldest}", StatementPlans.Source("Reading/PostgreSqlReader.cs", @"Oldest\(PostgreSqlStoreOptions options\) => \$""""""(.*?)"""""""), StringComparison.Ordinal)
            .Replace("{contentBytes}", "$5", StringComparison.Ordinal);

    private void Fill(int messages, string length) => _view.Execute($"""
        INSERT INTO to_device.to_device_device (user_id, device_id, last_sequence) VALUES ('{s_device.UserId}', '{s_device.DeviceId}', {messages});
        INSERT INTO to_device.to_device_message (user_id, device_id, sequence, send_id, sender, event_type, content)
        SELECT '{s_device.UserId}', '{s_device.DeviceId}', n, n, '@alice:hs1', 'm.test', decode(repeat('78', {length}), 'hex')
        FROM generate_series(1, {messages}) n
        """);
}
