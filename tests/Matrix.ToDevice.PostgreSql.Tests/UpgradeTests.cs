using System.Text;

namespace Matrix.ToDevice.Tests;

/// <summary>Tables of earlier versions are brought up, by the store or by whoever runs the package's files.</summary>
public class UpgradeTests
{
    private static readonly string s_schema = Path.Combine(Repository.Folder, "src", "Matrix.ToDevice.PostgreSql", "Schema");
    private static readonly string s_versions = Path.Combine(Repository.Folder, "tests", "Matrix.ToDevice.PostgreSql.Tests", "Versions");

    private string _database = null!;
    private DatabaseView _view = null!;

    [SetUp]
    public void SetUp()
    {
        _database = TestCluster.NewDatabase();
        _view = new DatabaseView(_database);
        _view.Execute($"CREATE SCHEMA to_device; SET search_path TO to_device; {Sql(s_versions, "1.sql")}");
        var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", "t1").Fingerprint().ToString("x32", null);
        _view.Execute($$"""
            SELECT to_device.to_device_commit(
                {{long.MaxValue}}, now() - interval '2 days', '{@alice:hs1,@bob:hs1}', '{A1,B1}', '{0,1}', '{@alice:hs1}', '{A1}', '{{{key}}}', '{1}',
                '{2}', '{0}', '{@bob:hs1}', '{B1}', '{7}', '{@alice:hs1}', '{m.test}', '{one}',
                '{hs2,hs3}', '{2,1}', '{1,1,2}', '{1,0,0}', '{hs2,hs2,hs3}', '{m1,m2,m1}', '{"{}","{}","{}"}');
            DELETE FROM to_device.to_device_edu WHERE destination = 'hs3'
            """);
    }

    [Test]
    public async Task Tables_of_version_1_keep_their_messages_records_and_EDUs()
    {
        var before = TimeProvider.System.GetUtcNow();
        await using var host = new Host(_database);

        Assert.That(await host.ReadAsync("B1"), Is.EqualTo(new[] { "one" }));
        using (var page = await host.Inbox.ReadAsync(Host.Bob("B1"), InboxPosition.Start, 10, int.MaxValue, default))
            Assert.That(page.Messages.Single().CommittedAt, Is.InRange(before - TimeSpan.FromSeconds(1), TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(1)), "it counts from the upgrade");
        Assert.That(_view.Count("SELECT max(version) FROM to_device.to_device_schema"), Is.EqualTo(5));
        var edus = await host.Outbox.ReadAsync("hs2", 10);
        Assert.That(edus.Select(edu => (edu.Position, edu.MessageId, Encoding.UTF8.GetString(edu.Content.Span))), Is.EqualTo(new[] { (1L, "m1", "{}"), (2L, "m2", "{}") }));
        // An age that nobody knows counts from the upgrade.
        Assert.That(edus.Select(edu => edu.CommittedAt), Is.All.InRange(before - TimeSpan.FromSeconds(1), TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(1)));
        Assert.That(
            await host.Outbox.AcquireAsync("one", TimeSpan.FromHours(1), 10), Is.EqualTo(new[] { new OutboxLease("hs2", 0, 0) }),
            "nothing waits for hs3 any more");

        var dayAgo = before - TimeSpan.FromDays(1);
        Assert.That(await host.Transactions.PurgeAsync(TransactionKey.DirectToDevice, dayAgo, 10, default), Is.Zero);
        Assert.That(await host.SendAsync("t1", "again", "B1"), Is.EqualTo(CommitResult.AlreadyCommitted));
        Assert.That(await host.Transactions.PurgeAsync(TransactionKey.SendToDevice, dayAgo, 10, default), Is.Zero, "it has been used now");
        Assert.That(await host.Transactions.PurgeAsync(TransactionKey.SendToDevice, before + TimeSpan.FromDays(1), 10, default), Is.EqualTo(1));
    }

    [Test]
    public async Task A_host_that_migrates_by_itself_is_told_which_file_to_run()
    {
        await using (var host = new Host(_database, options => options.Migrate = false))
        {
            Assert.That(
                async () => await host.SendAsync("t2", "2", "B1"),
                Throws.TypeOf<PostgreSqlStoreException>().With.Message.Contains("has version 1").And.Message.Contains("Run 002.sql"));
        }

        _view.Execute($"SET search_path TO to_device; {Sql(s_schema, "002.sql")}; {Sql(s_schema, "003.sql")}; {Sql(s_schema, "004.sql")}; {Sql(s_schema, "005.sql")}; {Sql(s_schema, "functions.sql")}");
        await using var again = new Host(_database, options => options.Migrate = false);
        Assert.That(await again.SendAsync("t2", "2", "B1"), Is.EqualTo(CommitResult.Committed));
        Assert.That(await again.Outbox.AcquireAsync("one", TimeSpan.FromHours(1), 10), Has.Count.EqualTo(1));
    }

    private static string Sql(string folder, string file) => File.ReadAllText(Path.Combine(folder, file));
}
