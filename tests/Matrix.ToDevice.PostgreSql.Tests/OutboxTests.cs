using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>Senders on many hosts share the destinations: nobody waits, nothing is passed over for ever, and it costs the same with many.</summary>
public class OutboxTests : TwoHostsTests
{
    private static readonly TimeSpan s_hour = TimeSpan.FromHours(1);

    /// <summary>Many hosts write to a large server all the time. If that hid it from those who look, nobody would send to it.</summary>
    [Test]
    public async Task R84_a_commit_under_way_hides_no_destination_that_has_something_waiting()
    {
        await AppendAsync(One, "t1", "hs2");
        using var connection = View.Open();
        using var commit = connection.BeginTransaction();
        Commit(connection, "hs2", "later");
        Commit(connection, "hs3", "first");

        Assert.That(await TakeAsync(Two), Is.EqualTo(new[] { "hs2" }), "at once, and nothing that is not committed");
        commit.Commit();
        Assert.That(await TakeAsync(One), Is.EqualTo(new[] { "hs3" }));
    }

    [Test]
    public async Task R84_nobody_waits_for_a_destination_that_another_host_is_just_taking()
    {
        await AppendAsync(One, "t1", "hs2", "hs3");
        using var connection = View.Open();
        using var taking = connection.BeginTransaction();
        Execute(connection, "SELECT 1 FROM to_device.to_device_lease WHERE destination = 'hs2' FOR UPDATE");

        Assert.That(await TakeAsync(Two), Is.EqualTo(new[] { "hs3" }));
        taking.Rollback();
        Assert.That(await TakeAsync(Two), Is.EqualTo(new[] { "hs2" }));
    }

    [Test]
    public async Task D22_destinations_are_taken_by_name_if_they_are_free_and_have_not_failed()
    {
        await AppendAsync(One, "t1", "failed", "taken", "locked", "free", "other");
        foreach (var lease in await One.Outbox.AcquireTheseAsync(["failed", "taken"], "one", s_hour, default))
            if (lease.Destination == "failed") await One.Outbox.ReleaseAsync("failed", "one", 1, TimeSpan.Zero, default);
        using var connection = View.Open();
        using var taking = connection.BeginTransaction();
        Execute(connection, "SELECT 1 FROM to_device.to_device_lease WHERE destination = 'locked' FOR UPDATE");

        var leases = await Two.Outbox.AcquireTheseAsync(["failed", "taken", "locked", "nobody", "free"], "two", s_hour, default);

        Assert.That(leases, Is.EqualTo(new[] { new OutboxLease("free", 0, 0) }), "and nobody waits");
        Assert.That(await Two.Outbox.RenewAsync("free", "two", s_hour, 1, default));
    }

    /// <summary>The last EDU is removed while the next one is being committed: were nothing waiting after that, it would stay for ever.</summary>
    [Test]
    public async Task D16_what_is_committed_while_a_destination_is_emptied_is_sent()
    {
        await AppendAsync(One, "t1", "hs2");
        using var connection = View.Open();
        using var commit = connection.BeginTransaction();
        Commit(connection, "hs2", "next");
        var removing = Task.Run(() => Two.Outbox.RemoveAllAsync("hs2"));
        await View.ReachesAsync(Waiting, 1);
        commit.Commit();
        await removing;

        Assert.That(await TakeAsync(One), Is.EqualTo(new[] { "hs2" }));
        Assert.That((await One.Outbox.ReadAsync("hs2", 10)).Select(edu => edu.MessageId), Is.EqualTo(new[] { "next" }));
    }

    /// <summary>The destination is forgotten while something is being committed to it, by one that waits, and by one that looks at an older state.</summary>
    [TestCase("READ COMMITTED"), TestCase("REPEATABLE READ")]
    public async Task D21_what_is_committed_to_a_destination_that_is_just_forgotten_is_sent(string isolation)
    {
        await AppendAsync(One, "t1", "hs2");
        var sent = await One.Outbox.ReadAsync("hs2", 10);
        using var connection = View.Open();
        Execute(connection, $"BEGIN ISOLATION LEVEL {isolation}; SELECT FROM to_device.to_device_lease");
        await Two.Outbox.RemoveAllAsync("hs2");
        Assert.That(Rows(), Is.Zero);
        Commit(connection, "hs2", "next");
        Execute(connection, "COMMIT");
        Assert.That(await TakeAsync(One), Is.EqualTo(new[] { "hs2" }));

        using var removing = View.Open();
        await One.Outbox.ReleaseAsync("hs2", "taker", 0, TimeSpan.Zero, default);
        var waiting = (await One.Outbox.ReadAsync("hs2", 10)).Single();
        Assert.That(waiting.Position, Is.GreaterThan(sent[0].Position), "the numbers of a destination that comes back follow the clock");
        Execute(removing, $"BEGIN; SELECT to_device.to_device_remove_edus('hs2', '{{{waiting.Position}}}', '{{next}}')");
        Execute(connection, $"SET default_transaction_isolation = '{isolation}'");
        var committing = Task.Run(() => Commit(connection, "hs2", "last"));
        await View.ReachesAsync(Waiting, 1);
        Execute(removing, "COMMIT");
        await committing;
        Assert.That(await TakeAsync(One), Is.EqualTo(new[] { "hs2" }));
        Assert.That((await One.Outbox.ReadAsync("hs2", 10)).Select(edu => edu.MessageId), Is.EqualTo(new[] { "last" }));
    }

    /// <summary>The removal sees nothing at the position, and a commit that is under way has it: what is noted of removals may not pass it.</summary>
    [TestCase(true), TestCase(false)]
    public async Task D23_a_late_removal_hides_nothing_that_is_just_being_committed(bool withAnother)
    {
        await AppendAsync(One, "t1", "hs2");
        if (withAnother) await AppendAsync(One, "t2", "hs2");
        var waiting = await One.Outbox.ReadAsync("hs2", 10);
        using var connection = View.Open();
        using var commit = connection.BeginTransaction();
        Commit(connection, "hs2", "next");
        var removing = Task.Run(async () => await Two.Outbox.RemoveAsync(
            "hs2", [waiting[0], waiting[^1] with { Position = waiting[^1].Position + 1, MessageId = "lost" }], default));
        if (withAnother) await removing;
        else await View.ReachesAsync(Waiting, 1);
        commit.Commit();
        await removing;

        Assert.That((await One.Outbox.ReadAsync("hs2", 10)).Select(edu => edu.MessageId), Is.EqualTo(withAnother ? ["t2", "next"] : new[] { "next" }));
    }

    /// <summary>Nobody has heard of them, and what waited for them is given up: by whoever has taken them, or has not, or has died since.</summary>
    [Test]
    public async Task D21_of_destinations_whose_EDUs_are_given_up_no_row_is_left()
    {
        string[] names = [.. Enumerable.Range(0, 300).Select(n => $"made-up{n}")];
        await AppendAsync(One, "t1", names);
        foreach (var name in names[..100]) await One.Outbox.RemoveAllAsync(name);
        Assert.That(await Two.Outbox.AcquireAsync("two", s_hour, 100), Has.Count.EqualTo(100));
        Assert.That(await Two.Outbox.AcquireAsync("dies", TimeSpan.Zero, 100), Has.Count.EqualTo(100));
        var taken = names[100..];
        foreach (var name in taken)
        {
            await Two.Outbox.RemoveAllAsync(name);
            await Two.Outbox.ReleaseAsync(name, "two", 3, s_hour, default);
        }

        Assert.That(View.Count("SELECT count(*) FROM to_device.to_device_lease"), Is.EqualTo(100), "of whom nobody knows yet that their holder is dead");
        Assert.That(await One.Outbox.AcquireAsync("one", s_hour, 10), Is.Empty);
        Assert.That(Rows(), Is.Zero);
    }

    /// <summary>
    /// A sender empties a long queue while somebody looks at an old state, as a backup does: every row that it removes is there still, and
    /// nothing walks over them.
    /// </summary>
    [Test, Category("Slow")]
    public async Task D16_the_end_of_a_long_queue_costs_what_its_beginning_does()
    {
        const int Edus = 20_300, PerTransaction = 100;
        await AppendAsync(One, "t1", "hs2");
        View.Execute($$"""
            INSERT INTO to_device.to_device_edu (destination, position, message_id, content, committed_at)
            SELECT d.destination, d.last_position + n, 'm' || n, '{}', now() FROM to_device.to_device_destination d, generate_series(1, {{Edus}}) n;
            UPDATE to_device.to_device_destination SET last_position = last_position + {{Edus}}
            """);
        View.Execute("VACUUM ANALYZE to_device.to_device_edu, to_device.to_device_lease, to_device.to_device_destination");
        using var looking = View.Open();
        Execute(looking, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM to_device.to_device_edu");
        Assert.That(await One.Outbox.AcquireAsync("sender", TimeSpan.FromDays(1), 1), Has.Count.EqualTo(1));

        await DrainAsync(PerTransaction);
        var first = await CostsAsync();
        await DrainAsync(20_000);
        var last = await CostsAsync();

        foreach (var (what, buffers) in last) Assert.That(buffers, Is.LessThan(first[what] + 30), what);

        async Task DrainAsync(int edus)
        {
            for (var sent = 0; sent < edus; sent += PerTransaction)
            {
                var waiting = await One.Outbox.ReadAsync("hs2", PerTransaction);
                await One.Outbox.RenewAsync("hs2", "sender", TimeSpan.FromDays(1), waiting[^1].Position, default);
                await One.Outbox.RemoveAsync("hs2", waiting, default);
            }
        }

        async Task<Dictionary<string, int>> CostsAsync()
        {
            var waiting = await One.Outbox.ReadAsync("hs2", 10);
            var read = StatementPlans.Source("Federation/PostgreSqlOutbox.cs", @"_edus = \$""""""(.*?)""""""")
                .Replace("$1", "'hs2'", StringComparison.Ordinal).Replace("$2", "0", StringComparison.Ordinal).Replace("$3", "10", StringComparison.Ordinal);
            var list = StatementPlans.Source("Federation/PostgreSqlOutbox.cs", @"_destinations = \$""""""(.*?)""""""")
                .Replace("$1", "''", StringComparison.Ordinal).Replace("$2", "10", StringComparison.Ordinal);
            var remove = $"""
                SELECT to_device.to_device_remove_edus(
                    'hs2', ARRAY[{string.Join(',', waiting.Select(edu => edu.Position))}]::bigint[], ARRAY[{string.Join(',', waiting.Select(edu => $"'{edu.MessageId}'"))}])
                """;
            return new()
            {
                ["read"] = StatementPlans.Buffers(View, "force_generic_plan", read, 10),
                ["list"] = StatementPlans.Buffers(View, "force_generic_plan", list, 1),
                ["remove"] = StatementPlans.Buffers(View, "force_generic_plan", remove, 1),
                ["renew"] = StatementPlans.Buffers(View, "force_generic_plan", "SELECT to_device.to_device_renew('hs2', 'sender', '1 day', 1)", 1),
                // Its time is too far away: it is taken.
                ["acquire"] = StatementPlans.Buffers(View, "force_generic_plan", "SELECT * FROM to_device.to_device_acquire('one', '1 hour', 2, 2, '1 hour')", 1),
                ["forget"] = StatementPlans.Buffers(View, "force_generic_plan", "SELECT to_device.to_device_forget('hs2')", 1),
            };
        }
    }

    [Test, Category("Slow")]
    public async Task D16_what_many_hosts_commit_take_and_remove_at_the_same_time_is_all_sent_once_and_in_order()
    {
        const int Sends = 150;
        string[] destinations = ["hs2", "hs3", "hs4"];
        var sent = destinations.ToDictionary(destination => destination, _ => new List<string>());
        var writing = 4;
        await Task.WhenAll([.. Enumerable.Range(0, writing).Select(n => Task.Run(() => WriteAsync(n))), .. Enumerable.Range(0, 4).Select(n => Task.Run(() => SendAsync(n)))]);

        foreach (var destination in destinations)
        {
            Assert.That(sent[destination], Has.Count.EqualTo(4 * Sends).And.Unique);
            for (var n = 0; n < 4; n++)
                Assert.That(sent[destination].Where(id => id.StartsWith($"{n}.", StringComparison.Ordinal)), Is.EqualTo(Enumerable.Range(0, Sends).Select(i => $"{n}.{i}")));
        }

        await One.Outbox.AcquireAsync("last", s_hour, 10);
        Assert.That(Rows(), Is.Zero, "D21");

        async Task WriteAsync(int writer)
        {
            for (var n = 0; n < Sends; n++) await AppendAsync(writer % 2 == 0 ? One : Two, $"{writer}.{n}", destinations);
            Interlocked.Decrement(ref writing);
        }

        async Task SendAsync(int sender)
        {
            var host = sender % 2 == 0 ? One : Two;
            while (true)
            {
                var isComplete = Volatile.Read(ref writing) == 0;
                var leases = await host.Outbox.AcquireAsync($"{sender}", s_hour, 2);
                foreach (var lease in leases)
                {
                    var edus = await host.Outbox.ReadAsync(lease.Destination, 20);
                    // Without a lock: there is one sender for each destination, or this breaks.
                    sent[lease.Destination].AddRange(edus.Select(edu => edu.MessageId));
                    await host.Outbox.RenewAsync(lease.Destination, $"{sender}", s_hour, edus[^1].Position, default);
                    await host.Outbox.RemoveAsync(lease.Destination, edus, default);
                    await host.Outbox.ReleaseAsync(lease.Destination, $"{sender}", 0, TimeSpan.Zero, default);
                }

                if (isComplete && leases.Count == 0 && (await host.Outbox.ListDestinationsAsync(null, 10, default)).Count == 0) return;
            }
        }
    }

    [Test]
    public async Task R84_what_was_taken_by_a_call_whose_answer_was_lost_stays_taken_until_its_time_has_run_out()
    {
        await AppendAsync(One, "t1", "hs2");
        using var proxy = new TestProxy(TestCluster.Cluster.Port);
        await using var host = new Host($"{Database};Port={proxy.Port}", options => options.PrepareStatements = false);
        await host.Outbox.ListDestinationsAsync(null, 1, default);

        proxy.LoseAnswerTo = "to_device_acquire";
        Assert.That(await host.Outbox.AcquireAsync("lost", s_hour, 10), Is.Empty, "the repeated call finds it taken");
        Assert.That(proxy.LostAnswers, Is.EqualTo(1));
        View.Execute("UPDATE to_device.to_device_lease SET taken_until = now(), due_at = now()");
        Assert.That(await Two.Outbox.AcquireAsync("two", s_hour, 10), Is.EqualTo(new[] { new OutboxLease("hs2", 0, 0) }));

        proxy.LoseAnswerTo = "to_device_renew";
        await Two.Outbox.ReleaseAsync("hs2", "two", 0, TimeSpan.Zero, default);
        await host.Outbox.AcquireAsync("again", s_hour, 10);
        Assert.That(await host.Outbox.RenewAsync("hs2", "again", s_hour, 1, default), Is.True);
        proxy.LoseAnswerTo = "to_device_release";
        await host.Outbox.ReleaseAsync("hs2", "again", 2, TimeSpan.Zero, default);
        proxy.LoseAnswerTo = "to_device_remove_edus";
        await host.Outbox.RemoveAllAsync("hs3");
        Assert.That(proxy.LostAnswers, Is.EqualTo(4));
        Assert.That(await Two.Outbox.AcquireAsync("two", s_hour, 10), Is.EqualTo(new[] { new OutboxLease("hs2", 1, 2) }));
    }

    /// <summary>A sender's note has to be on the disk before the EDUs are on their way.</summary>
    [Test]
    public async Task R84_a_note_is_on_the_disk_also_where_the_databases_default_is_not_to_wait_for_it()
    {
        await AppendAsync(One, "t1", "hs2");
        await TakeAsync(One);
        using var connection = View.Open();
        Execute(connection, "SET synchronous_commit = off; BEGIN");
        Execute(connection, "SELECT to_device.to_device_renew('hs2', 'taker', '1 hour', 1)");
        using var command = new NpgsqlCommand("SHOW synchronous_commit", connection);
        Assert.That(command.ExecuteScalar(), Is.EqualTo("on"));
    }

    [Test]
    public async Task D16_rows_that_an_operator_deletes_keep_no_sender_busy()
    {
        await AppendAsync(One, "t1", "hs2", "hs3");
        View.Execute("DELETE FROM to_device.to_device_edu WHERE destination = 'hs2'");
        Assert.That(await TakeAsync(One), Is.EqualTo(new[] { "hs3" }));
    }

    /// <summary>
    /// Twenty thousand destinations that are down and due, ten thousand that are left alone, and ten thousand that are taken and empty
    /// are not looked at by whoever looks for one that has not failed.
    /// </summary>
    [TestCase("force_generic_plan")]
    [TestCase("force_custom_plan")]
    public async Task D22_looking_for_something_to_send_costs_the_same_with_many_destinations(string planCacheMode)
    {
        await AppendAsync(One, "t1", "hs2", "hs3");
        const string Acquire = "SELECT * FROM to_device.to_device_acquire('one', '1 hour', 2, 2, '1 day')";
        var few = StatementPlans.Buffers(View, planCacheMode, Acquire, 2);
        View.Execute("""
            INSERT INTO to_device.to_device_lease (destination, is_waiting, holder, taken_until, due_at)
            SELECT 'empty' || n, false, 'two', now() + interval '1 hour', now() + interval '1 hour' FROM generate_series(1, 10000) n;
            INSERT INTO to_device.to_device_lease (destination, is_waiting, taken_until, due_at, failures)
            SELECT 'down' || n, true, now() - n * interval '1 second', now() - n * interval '1 second', 1 FROM generate_series(1, 20000) n;
            INSERT INTO to_device.to_device_lease (destination, is_waiting, taken_until, due_at, failures)
            SELECT 'left alone' || n, true, now() + interval '1 hour', now() + interval '1 hour', 1 FROM generate_series(1, 10000) n;
            INSERT INTO to_device.to_device_edu (destination, position, message_id, content, committed_at)
            SELECT destination, 1, 'm', '{}', now() FROM to_device.to_device_lease WHERE failures > 0;
            ANALYZE to_device.to_device_lease, to_device.to_device_edu
            """);

        var many = StatementPlans.Buffers(View, planCacheMode, Acquire, 2);

        Assert.That(many, Is.LessThan(few + 60));
        Assert.That(
            StatementPlans.Buffers(View, planCacheMode, "SELECT * FROM to_device.to_device_acquire('one', '1 hour', 12, 10, '1 day')", 12), Is.LessThan(few + 200),
            "of those that have failed, no more than are taken");
    }

    /// <summary>Records of EDUs are kept for longer than those of sends: neither purge may walk over the other's.</summary>
    [TestCase("<>", "to_device_transaction_by_age")]
    [TestCase("=", "to_device_transaction_of_edus_by_age")]
    public async Task D5_a_purge_finds_its_records_by_their_own_index(string comparison, string index)
    {
        await One.SendAsync("t1", "1", "B1");
        View.Execute("""
            INSERT INTO to_device.to_device_transaction (user_id, device_id, key, commit_id, last_used)
            SELECT '@u' || n, CASE WHEN n % 2 = 0 THEN 'D' ELSE E'\x01=' END, gen_random_uuid(), n, now() + n * interval '1 second'
            FROM generate_series(1, 20000) n;
            ANALYZE to_device.to_device_transaction
            """);
        var sql = StatementPlans.Source("Writing/PostgreSqlCleaner.cs", @"PurgeRecords\(PostgreSqlStoreOptions options, string comparison\) => \$""""""(.*?)""""""")
            .Replace("{comparison}", comparison, StringComparison.Ordinal).Replace("{PostgreSqlText.OtherServerSql}", @"E'\x01='", StringComparison.Ordinal);

        var plan = StatementPlans.Plan(View, "force_generic_plan", sql, "timestamptz, bigint", "now() + interval '100 seconds', 10");
        Assert.That(plan, Does.Contain($"Index Scan using {index} ").And.Not.Contains("Seq Scan").And.Not.Contains("Rows Removed"));
        Assert.That(View.Count($"SELECT count(*) FROM pg_indexes WHERE schemaname = 'to_device' AND indexname LIKE '%by_age'"), Is.EqualTo(2));
    }

    private static async Task AppendAsync(Host host, string messageId, params string[] destinations)
    {
        var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", messageId);
        await using var transaction = (await host.Transactions.BeginAsync(key, host.Transactions.KnownRemovals, default))!;
        await host.Outbox.AppendAsync(transaction, [.. destinations.Select(destination => new OutboundEdu(destination, messageId, "{}"u8.ToArray()))], default);
        Assert.That(await transaction.CommitAsync(default), Is.EqualTo(CommitResult.Committed));
    }

    private long Rows() => View.Count("SELECT (SELECT count(*) FROM to_device.to_device_lease) + (SELECT count(*) FROM to_device.to_device_destination)");

    private static async Task<List<string>> TakeAsync(Host host) =>
        [.. (await host.Outbox.AcquireAsync("taker", s_hour, 10)).Select(lease => lease.Destination)];

    /// <summary>What a commit does, and stops in the middle of.</summary>
    private static void Commit(NpgsqlConnection connection, string destination, string messageId) => Execute(connection, $$"""
        SELECT to_device.to_device_commit(
            now(), '{@u:hs1}', '{D}', '{0}', '{0}', '{1}', ARRAY[gen_random_uuid()], '{1}', '{}', '{}', '{}',
            '{}', '{}', '{}', '{}', '{}', '', '{{{destination}}}', '{1}', '{1}', '{0}', '{{{messageId}}}', '{"{}"}')
        """);

    private static void Execute(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        command.ExecuteNonQuery();
    }
}
