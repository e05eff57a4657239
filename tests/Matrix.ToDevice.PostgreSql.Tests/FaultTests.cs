using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>Connections break, the server crashes, the pool is empty: nothing is lost, nothing comes twice, and it goes on by itself.</summary>
public class FaultTests
{
    [Test]
    public async Task D3_D4_killed_connections_lose_and_double_nothing()
    {
        var database = TestCluster.NewDatabase();
        var view = new DatabaseView(database);
        await using var one = new Host(database);
        await using var two = new Host(database);
        using var load = new HostLoad(one, two);
        await one.SendAsync("first", "x", "other");
        load.Start();
        for (var round = 0; round < 40; round++)
        {
            await load.AcceptsAsync(25);
            // Now and then with a commit under way for certain.
            view.Disconnect(round % 2 == 0 ? "true" : "state = 'active'");
        }

        await load.StopAndCheckAsync();
        TestContext.Out.WriteLine($"{load.Failures} attempts failed");
    }

    /// <summary>The server ends the connection between the commit and its answer: the store must not take it for a duplicate.</summary>
    [Test]
    public async Task R41_a_commit_whose_answer_is_lost_is_looked_up_and_found_to_be_its_own()
    {
        var database = TestCluster.NewDatabase();
        using var proxy = new TestProxy(TestCluster.Cluster.Port);
        await using var host = new Host($"{database};Port={proxy.Port}", options => options.PrepareStatements = false);
        await host.SendAsync("t0", "0", "B1");
        proxy.LoseAnswerTo = "to_device_commit";

        Assert.That(await host.SendAsync("t1", "1", "B1"), Is.EqualTo(CommitResult.Committed));

        Assert.That(proxy.LostAnswers, Is.EqualTo(1));
        Assert.That(await host.SendAsync("t1", "again", "B1"), Is.EqualTo(CommitResult.AlreadyCommitted));
        Assert.That(await host.ReadAsync("B1"), Is.EqualTo(new[] { "0", "1" }));
    }

    [Test, Category("Slow")]
    public async Task D3_D4_a_server_that_crashes_under_load_and_comes_back_loses_and_doubles_nothing()
    {
        using var cluster = PostgreSqlCluster.Start();
        await using var one = new Host(cluster.ConnectionString);
        await using var two = new Host(cluster.ConnectionString);
        using var load = new HostLoad(one, two);
        await one.SendAsync("first", "x", "other");
        load.Start();
        for (var round = 0; round < 3; round++)
        {
            await load.AcceptsAsync(100);
            cluster.StopServer(round == 1 ? "fast" : "immediate");
            if (round == 2) Assert.That(async () => await one.ReadAsync("B1"), Throws.TypeOf<PostgreSqlStoreException>());
            cluster.StartServer();
        }

        await load.AcceptsAsync(100);
        await load.StopAndCheckAsync();
        TestContext.Out.WriteLine($"{load.Failures} attempts failed");
    }

    [Test]
    public async Task D3_an_exhausted_pool_fails_the_send_and_recovers_by_itself()
    {
        await using var dataSource = NpgsqlDataSource.Create($"{TestCluster.NewDatabase()};Maximum Pool Size=5;Timeout=1");
        await using var host = new Host("", options => (options.ConnectionString, options.DataSource) = (null, dataSource));
        await host.SendAsync("t1", "1", "B1");
        var taken = new List<NpgsqlConnection>();
        Assert.That(
            async () =>
            {
                while (true) taken.Add(await dataSource.OpenConnectionAsync());
            },
            Throws.InstanceOf<NpgsqlException>());

        Assert.That(
            async () => await host.SendAsync("t2", "2", "B1"),
            Throws.TypeOf<PostgreSqlStoreException>().With.Message.Contains("Maximum Pool Size"));

        foreach (var connection in taken) await connection.DisposeAsync();
        Assert.That(await host.SendAsync("t2", "2", "B1"), Is.EqualTo(CommitResult.Committed));
        Assert.That(await host.ReadAsync("B1"), Is.EqualTo(new[] { "1", "2" }));
    }

    [Test]
    public async Task D2_what_PostgreSQL_has_no_characters_for_is_kept_all_the_same()
    {
        await using var host = new Host(TestCluster.NewDatabase());
        string[] devices = ["B1", "B\0", "B\u0001", "B\u00010", "\u0001-", "", new string('d', 100_000), new string('d', 100_001), "ü\U0001F600"];
        foreach (var eventType in (string[])["a\0b", "a\u0001b", "\u00010\u00011", new string('e', 20_000)])
        {
            await host.SendAsync("t1", eventType, devices, eventType: eventType);
            Assert.That(await host.SendAsync("t1", "again", devices, eventType: eventType), Is.EqualTo(CommitResult.AlreadyCommitted));
            foreach (var device in devices)
            {
                using var page = await host.Inbox.ReadAsync(Host.Bob(device), InboxPosition.Start, 10, int.MaxValue, default);
                Assert.That(page.Messages.Single().EventType, Is.EqualTo(eventType));
                Assert.That(await host.Inbox.AcknowledgeAsync(Host.Bob(device), page.Messages[0].Position, default), Is.EqualTo(1));
            }
        }
    }

    [Test]
    public async Task D24_what_the_database_cannot_take_from_one_send_it_takes_from_the_others_of_the_batch()
    {
        var database = TestCluster.NewDatabase();
        await using var host = new Host(database, options => options.Writers = 1);
        await host.SendAsync("t0", "0", "B1");
        new DatabaseView(database).Execute("ALTER TABLE to_device.to_device_message ADD CHECK (event_type <> 'm.bad')");

        var bad = Enumerable.Range(0, 3).Select(n => host.SendAsync($"bad{n}", "x", ["B1"], eventType: "m.bad")).ToList();
        var good = Enumerable.Range(1, 50).Select(n => host.SendAsync($"t{n}", $"{n}", "B1")).ToList();
        bad.AddRange(Enumerable.Range(3, 3).Select(n => host.SendAsync($"bad{n}", "x", ["B1"], eventType: "m.bad")));

        Assert.That(await Task.WhenAll(good), Is.All.EqualTo(CommitResult.Committed));
        foreach (var send in bad) Assert.That(async () => await send, Throws.TypeOf<PostgreSqlStoreException>());
        Assert.That(await host.ReadAsync("B1"), Has.Count.EqualTo(51));
    }

    /// <summary>Only a record that is there already means that a send was committed; by hand somebody may have made a mess.</summary>
    [Test]
    public async Task D3_a_position_that_is_taken_fails_the_send_and_is_no_duplicate()
    {
        var database = TestCluster.NewDatabase();
        await using var host = new Host(database);
        await host.SendAsync("t1", "1", "B1");
        new DatabaseView(database).Execute("UPDATE to_device.to_device_message SET sequence = 2");

        Assert.That(
            async () => await host.SendAsync("t2", "2", "B1").WaitAsync(TimeLimit.OfOneWait),
            Throws.TypeOf<PostgreSqlStoreException>().With.InnerException.Property("SqlState").EqualTo("23505"));
        Assert.That(await host.SendAsync("t3", "3", "B2"), Is.EqualTo(CommitResult.Committed));
    }

    [TestCase("hs\0", "m1")]
    [TestCase("hs2", "m\0")]
    [TestCase("long", "m1")]
    public async Task D24_an_EDU_that_no_index_can_hold_is_refused_before_it_waits_for_a_commit(string destination, string messageId)
    {
        await using var host = new Host(TestCluster.NewDatabase());
        if (destination == "long") destination = new string('x', 5000);
        var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", "t1");
        await using var transaction = (await host.Transactions.BeginAsync(key, host.Transactions.KnownRemovals, default))!;

        Assert.That(
            async () => await host.Outbox.AppendAsync(transaction, [new OutboundEdu(destination, messageId, "{}"u8.ToArray())], default),
            Throws.ArgumentException);
    }

    [Test]
    public async Task A_database_that_does_not_wait_for_its_disk_by_default_does_so_for_sends()
    {
        var database = TestCluster.NewDatabase();
        var view = new DatabaseView(database);
        view.Execute("ALTER DATABASE " + new NpgsqlConnectionStringBuilder(database).Database + " SET synchronous_commit = off");
        await using var host = new Host(database);
        await host.SendAsync("t0", "0", "B1");
        view.Execute("""
            CREATE TABLE seen (setting text);
            CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO public.seen VALUES (current_setting(''synchronous_commit'')); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER see AFTER INSERT ON to_device.to_device_message DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION see();
            """);

        await host.SendAsync("t1", "1", "B1");

        // A deferred trigger runs at the commit itself.
        Assert.That(view.Count("SELECT count(*) FROM seen WHERE setting = 'on'"), Is.EqualTo(1));
    }

    [Test]
    public async Task Sends_that_wait_when_the_store_is_closed_are_committed_and_later_ones_refused()
    {
        var database = TestCluster.NewDatabase();
        var host = new Host(database);
        await host.SendAsync("t0", "0", "B1");
        var transactions = host.Transactions;
        var sends = Enumerable.Range(1, 1000).Select(n => host.SendAsync($"t{n}", $"{n}", "B1")).ToList();
        await host.DisposeAsync();

        Assert.That(async () => await transactions.PurgeAsync(TransactionKey.SendToDevice, DateTimeOffset.UnixEpoch, 1, default), Throws.TypeOf<ObjectDisposedException>());
        await using var again = new Host(database);
        var results = await Task.WhenAll(sends.Select(async send =>
        {
            try
            {
                return await send == CommitResult.Committed;
            }
            catch (ObjectDisposedException)
            {
                return false;
            }
        }));
        Assert.That(
            (await again.ReadAsync("B1")).Order(),
            Is.EqualTo(results.Select((committed, i) => (committed, i)).Where(send => send.committed).Select(send => $"{send.i + 1}").Prepend("0").Order()));
    }
}
