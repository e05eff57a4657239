using System.Text;
using Microsoft.Data.Sqlite;

namespace Matrix.ToDevice.Tests;

/// <summary>Files of earlier versions are brought up, with everything that is in them.</summary>
public class UpgradeTests
{
    private static readonly string s_schema = Path.Combine(Repository.Folder, "src", "Matrix.ToDevice.Sqlite", "Schema");

    [Test]
    public async Task A_file_of_an_earlier_version_keeps_its_messages_tokens_records_and_EDUs([Range(1, 4)] int version)
    {
        var path = TestFolder.NewFile();
        var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", "t1");
        Make(path, version, Convert.ToHexString(Fingerprint(key)));
        var before = TimeProvider.System.GetUtcNow();

        await using (var store = SqliteStores.Open(path))
        {
            var device = new DeviceAddress("@bob:hs1", "B1");
            // What the client was handed out by the earlier version, and what is left behind it.
            Assert.That(await store.Inbox.AcknowledgeAsync(device, new InboxPosition(5, 7), default), Is.EqualTo(2));
            Assert.That((await store.SyncAsync("B1")).Contents, Is.EqualTo(new[] { """{"n":1}""" }));
            using (var page = await store.Inbox.ReadAsync(device, InboxPosition.Start, 10, int.MaxValue, default))
                Assert.That(page.Messages.Single().CommittedAt, Is.InRange(before - TimeSpan.FromSeconds(1), TimeProvider.System.GetUtcNow()), "it counts from the upgrade");
            Assert.That(await store.SendAsync("t1", """{"n":2}""", "B1"), Is.EqualTo(CommitResult.AlreadyCommitted));

            var edus = await store.Outbox.ReadAsync("hs2", 10);
            Assert.That(edus.Select(edu => (edu.Position, edu.MessageId, Encoding.UTF8.GetString(edu.Content.Span))), Is.EqualTo(new[] { (1L, "m1", "{}"), (3L, "m3", "{}") }));
            // An age that nobody knows counts from the upgrade: it is not that of a message that has waited since 1970.
            Assert.That(edus.Select(edu => edu.CommittedAt), Is.All.InRange(before - TimeSpan.FromSeconds(1), TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(1)));
            var leases = await store.Outbox.AcquireAsync("one", TimeSpan.FromHours(1), 10);
            Assert.That(leases, Is.EquivalentTo(new[] { new OutboxLease("hs2", 0, 0), new OutboxLease("hs3", 0, 0) }));

            var future = TimeProvider.System.GetUtcNow() + TimeSpan.FromDays(1);
            Assert.That(await store.Transactions.PurgeAsync(TransactionKey.DirectToDevice, future, 10, default), Is.Zero);
            Assert.That(await store.Transactions.PurgeAsync(TransactionKey.SendToDevice, future, 10, default), Is.EqualTo(1));
        }

        Assert.That(SqliteFileView.Count(path, "SELECT max(version) FROM to_device_schema"), Is.EqualTo(5));
        Assert.That(SqliteFileView.Count(path, "PRAGMA page_size"), Is.EqualTo(8192), "it stays as it is");
    }

    [Test]
    public async Task R84_at_the_start_nobody_has_taken_anything_and_what_was_being_sent_is_known()
    {
        var path = TestFolder.NewFile();
        await using (var store = SqliteStores.Open(path))
        {
            await AppendAsync(store, "t1", "hs2", "hs3");
            await store.Outbox.AcquireAsync("first life", TimeSpan.FromHours(1), 10);
            await store.Outbox.RenewAsync("hs2", "first life", TimeSpan.FromHours(1), 1, default);
            await store.Outbox.ReleaseAsync("hs3", "first life", 4, TimeSpan.FromHours(1), default);
        }

        await using (var store = SqliteStores.Open(path))
        {
            Assert.That(
                await store.Outbox.AcquireAsync("second life", TimeSpan.FromHours(1), 10), Is.EqualTo(new[] { new OutboxLease("hs2", 1, 0) }),
                "hs3 has failed, and its pause goes on");
            Assert.That(await store.Outbox.RenewAsync("hs2", "first life", TimeSpan.FromHours(1), 1, default), Is.False);
        }
    }

    [Test]
    public async Task D16_a_destination_for_which_nothing_waits_leaves_no_row()
    {
        var path = TestFolder.NewFile();
        await using (var store = SqliteStores.Open(path))
        {
            for (var round = 0; round < 3; round++)
            {
                await AppendAsync(store, $"a{round}", "hs2");
                var lease = (await store.Outbox.AcquireAsync("one", TimeSpan.FromHours(1), 10)).Single();
                var edus = await store.Outbox.ReadAsync("hs2", 10);
                await store.Outbox.RenewAsync("hs2", "one", TimeSpan.FromHours(1), edus[^1].Position, default);
                await store.Outbox.RemoveAsync("hs2", edus, default);
                await store.Outbox.ReleaseAsync("hs2", "one", 0, TimeSpan.Zero, default);
            }

            // A host with a queue of its own reads and removes, and takes nothing.
            await AppendAsync(store, "b", "hs3");
            await store.Outbox.RemoveAllAsync("hs3");
            Assert.That(SqliteFileView.Count(path, "SELECT count(*) FROM to_device_lease"), Is.Zero);
            // Emptied while it was failing: forgotten by whoever looks when the pause is over.
            await AppendAsync(store, "c", "hs4");
            await store.Outbox.AcquireAsync("one", TimeSpan.FromHours(1), 10);
            await store.Outbox.RemoveAllAsync("hs4");
            await store.Outbox.ReleaseAsync("hs4", "one", 1, TimeSpan.Zero, default);
            Assert.That(await store.Outbox.AcquireAsync("one", TimeSpan.FromHours(1), 10), Is.Empty);
        }

        Assert.That(SqliteFileView.Count(path, "SELECT count(*) FROM to_device_lease"), Is.Zero);
    }

    /// <summary>Each statement as it is in the source finds its rows by an index, and by the one that is meant for it.</summary>
    [TestCase("SELECT device, key FROM to_device_transaction WHERE device >= 0 AND last_used < ?1 ORDER BY last_used LIMIT ?2", "to_device_transaction_by_age")]
    [TestCase("SELECT device, key FROM to_device_transaction WHERE device < 0 AND last_used < ?1 ORDER BY last_used LIMIT ?2", "to_device_transaction_of_edus_by_age")]
    [TestCase("FROM to_device_lease l WHERE l.failures = 0 AND l.taken_until <= ?1 ORDER BY l.taken_until", "to_device_lease_by_time")]
    [TestCase("FROM to_device_lease l WHERE l.failures > 0 AND l.taken_until <= ?1 ORDER BY l.taken_until", "to_device_lease_of_failing_by_time")]
    [TestCase("SELECT 1 FROM to_device_lease WHERE failures = 0 AND taken_until > ?2", "to_device_lease_by_time")]
    [TestCase("SELECT 1 FROM to_device_lease WHERE failures > 0 AND taken_until > ?2", "to_device_lease_of_failing_by_time")]
    [TestCase("SELECT 1 FROM to_device_lease WHERE failures > 0 AND taken_until <= ?1", "to_device_lease_of_failing_by_time")]
    public async Task What_is_looked_for_by_time_is_found_by_its_index(string sql, string index)
    {
        var source = string.Concat(((string[])["Writing", "Reading"])
            .SelectMany(folder => Directory.GetFiles(Path.Combine(s_schema, "..", folder), "*.cs")).Select(File.ReadAllText));
        Assert.That(source, Does.Contain(sql));
        var path = TestFolder.NewFile();
        await using (var store = SqliteStores.Open(path)) await store.SendAsync("t1", "1", "B1");

        using var connection = new SqliteConnection($"Data Source={path};Pooling=false");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "EXPLAIN QUERY PLAN " + (sql.StartsWith("FROM", StringComparison.Ordinal) ? "SELECT l.destination, l.sending_up_to " + sql : sql);
        command.Parameters.AddWithValue("?1", 1);
        command.Parameters.AddWithValue("?2", 1);
        using var reader = command.ExecuteReader();
        var plan = new StringBuilder();
        while (reader.Read()) plan.AppendLine(reader.GetString(3));
        Assert.That(
            SqliteFileView.Count(path, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'to_device_transaction%by_age' AND sql LIKE '%WHERE device %'"),
            Is.EqualTo(2), "no record is in both");
        Assert.That(plan.ToString(), Does.Match($"SEARCH .*INDEX {index} ").And.Not.Contains("SCAN").And.Not.Contains("TEMP B-TREE"));
    }

    /// <summary>A page begins behind what is acknowledged, however much that is, and so does the deleting.</summary>
    [Test]
    public async Task Pages_and_what_is_to_be_deleted_are_found_by_the_index_of_the_device()
    {
        var path = TestFolder.NewFile();
        using var trace = new StatementTrace(path);
        await using (var store = SqliteStores.Open(path))
        {
            await store.SendAsync("t1", "1", "B1");
            await store.SyncAsync("B1", (await store.SyncAsync("B1")).NextBatch);
            await store.Transactions.PurgeAsync(TransactionKey.SendToDevice, DateTimeOffset.UnixEpoch, 1, default);
        }

        foreach (var statement in trace.Take().Where(sql => sql.Contains("JOIN to_device_message", StringComparison.Ordinal)).Distinct())
        {
            using var connection = SqliteFileView.Open(path);
            using var command = connection.CreateCommand();
            command.CommandText = "EXPLAIN QUERY PLAN " + statement;
            for (var n = 1; n <= 4; n++) command.Parameters.AddWithValue($"?{n}", 1);
            using var reader = command.ExecuteReader();
            var plan = new StringBuilder();
            while (reader.Read()) plan.AppendLine(reader.GetString(3));
            Assert.That(
                plan.ToString(),
                Does.Match(@"SEARCH m USING (COVERING )?INDEX to_device_message_by_device \(device=\? AND sequence[<=>]").And.Not.Contains("SCAN m").And.Not.Contains("TEMP B-TREE"),
                statement);
        }
    }

    private static async Task AppendAsync(SqliteStores store, string txnId, params string[] destinations)
    {
        var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", txnId);
        await using var transaction = (await store.Transactions.BeginAsync(key, 0, default))!;
        await store.Outbox.AppendAsync(transaction, [.. destinations.Select(destination => new OutboundEdu(destination, "m1", "{}"u8.ToArray()))], default);
        Assert.That(await transaction.CommitAsync(default), Is.EqualTo(CommitResult.Committed));
    }

    /// <summary>The inbox of B1 had four messages before the three that wait.</summary>
    private static void Make(string path, int version, string fingerprint)
    {
        using var connection = new SqliteConnection($"Data Source={path};Pooling=false");
        connection.Open();
        using var command = connection.CreateCommand();
        var files = Enumerable.Range(1, version).Select(n => File.ReadAllText(Path.Combine(s_schema, $"00{n}.sql")));
        command.CommandText = $"""
            PRAGMA page_size = 8192;
            PRAGMA journal_mode = WAL;
            CREATE TABLE to_device_schema (version INTEGER NOT NULL);
            {string.Join('\n', files)}
            INSERT INTO to_device_schema (version) VALUES ({version});
            INSERT INTO to_device_device (user_id, device_id, last_sequence) VALUES ('@alice:hs1', 'A1', 0), ('@bob:hs1', 'B1', 3);
            INSERT INTO to_device_transaction (device, key, last_used) VALUES (1, x'{fingerprint}', 1000);
            INSERT INTO to_device_message (device, sequence, send_id, sender, event_type, content)
            VALUES (2, 4, 6, '@alice:hs1', 'm.test', x'7B7D'), (2, 5, 7, '@alice:hs1', 'm.test', x'7B7D'),
                (2, 6, 8, '@alice:hs1', 'm.test', CAST('{"{\"n\":1}"}' AS BLOB));
            INSERT INTO to_device_edu (destination, message_id, content)
            VALUES ('hs2', 'm1', CAST('{"{}"}' AS BLOB)), ('hs3', 'm2', CAST('{"{}"}' AS BLOB)), ('hs2', 'm3', CAST('{"{}"}' AS BLOB));
            {(version == 1 ? "" : """
                UPDATE to_device_edu SET committed_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER);
                INSERT INTO to_device_lease (destination, taken_until) VALUES ('hs2', 0), ('hs3', 0);
                """)}
            """;
        command.ExecuteNonQuery();
    }

    private static byte[] Fingerprint(TransactionKey key)
    {
        var bytes = new byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(bytes, key.Fingerprint());
        return bytes;
    }
}
