using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// A standby for which nobody waits takes over, and has not got the last commits: their positions are given out again, and what was
/// known of them is about others now (D23).
/// </summary>
[Category("Slow")]
public class FailoverTests
{
    private const string Standbys = "SELECT count(*) FROM pg_stat_replication";
    private static readonly TimeSpan s_hour = TimeSpan.FromHours(1);

    private PostgreSqlCluster _primary = null!, _standby = null!;

    [SetUp]
    public void SetUp()
    {
        _primary = PostgreSqlCluster.Start();
        _standby = _primary.StartStandby();
    }

    [TearDown]
    public void TearDown()
    {
        _standby.Dispose();
        _primary.Dispose();
    }

    [Test]
    public async Task D23_a_late_answer_for_an_EDU_that_a_failover_has_lost_removes_no_other()
    {
        IReadOnlyList<OutboxEntry> sent;
        await using (var host = new Host(_primary.ConnectionString))
        {
            await AppendAsync(host, "m1");
            await CutOffAsync("SELECT count(*) FROM to_device.to_device_edu WHERE message_id = 'm1'");
            await AppendAsync(host, "m2");
            await host.Outbox.AcquireAsync("sender", s_hour, 10);
            sent = await host.Outbox.ReadAsync("hs2", 10);
            await host.Outbox.RenewAsync("hs2", "sender", s_hour, sent[^1].Position, default);
        }

        FailOver();
        await using var next = new Host(_standby.ConnectionString);
        await next.Outbox.RemoveAsync("hs2", [sent[1]], default);
        await AppendAsync(next, "m3");
        Assert.That((await next.Outbox.ReadAsync("hs2", 10)).Select(edu => (edu.Position, edu.MessageId)), Does.Contain((sent[1].Position, "m3")), "the position of m2");

        await next.Outbox.RemoveAsync("hs2", sent, default);

        Assert.That((await next.Outbox.ReadAsync("hs2", 10)).Select(edu => edu.MessageId), Is.EqualTo(new[] { "m3" }));
        Assert.That(await next.Outbox.ListDestinationsAsync(null, 10, default), Is.EqualTo(new[] { "hs2" }));
        Assert.That(await next.Outbox.AcquireAsync("another", s_hour, 10), Is.EqualTo(new[] { new OutboxLease("hs2", 0, 0) }), "nobody had taken it there");
    }

    [Test]
    public async Task D23_a_token_of_a_message_that_a_failover_has_lost_deletes_no_other()
    {
        InboxPosition lost;
        await using (var host = new Host(_primary.ConnectionString))
        {
            await host.SendAsync("t1", "1", "B1");
            await CutOffAsync("SELECT count(*) FROM to_device.to_device_message");
            await host.SendAsync("t2", "2", "B1");
            using var page = await host.Inbox.ReadAsync(Host.Bob("B1"), InboxPosition.Start, 10, int.MaxValue, default);
            lost = page.Messages[^1].Position;
        }

        FailOver();
        await using var next = new Host(_standby.ConnectionString);
        Assert.That(await next.Inbox.AcknowledgeAsync(Host.Bob("B1"), lost, default), Is.Zero);
        await next.SendAsync("t3", "3", "B1");
        Assert.That(await next.Inbox.AcknowledgeAsync(Host.Bob("B1"), lost, default), Is.Zero);
        Assert.That(await next.ReadAsync("B1"), Is.EqualTo(new[] { "1", "3" }));
    }

    /// <summary>The same with a server that runs through it, and is answered 200 for what its database does not know any more.</summary>
    [Test]
    public async Task D23_a_sender_that_outlives_a_failover_sends_what_was_accepted_after_it()
    {
        await using var dataSource = new NpgsqlDataSourceBuilder(
            $"Host=127.0.0.1:{_primary.Port},127.0.0.1:{_standby.Port};Username=postgres;Database=postgres;Host Recheck Seconds=0").BuildMultiHost();
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.UsePostgreSql(options => (options.ConnectionString, options.DataSource, options.Schema) = (null, dataSource, "to_device"));
            TestTransport.Add(builder, options => options.LeaseDuration = s_hour);
        });
        var alice = server.Login("@alice:hs1", "A1");
        var peers = TestTransport.Of(server);
        await SendAsync(1);
        var first = await peers.NextAsync();
        await CutOffAsync("SELECT count(*) FROM to_device.to_device_lease WHERE sending_up_to > 0");
        await SendAsync(2);
        first.Received();
        var second = await peers.NextAsync();
        Assert.That(second.Numbers, Is.EqualTo(new[] { 2 }));

        FailOver();
        await SendAsync(3);
        var view = new DatabaseView(_standby.ConnectionString);
        Assert.That(
            view.Count($"SELECT count(*) FROM to_device.to_device_edu WHERE position = {second.Sent.Edus[0].Position} AND message_id <> '{second.Sent.Edus[0].MessageId}'"),
            Is.EqualTo(1), "the third has the position of the second, which is lost");
        second.Received();

        // The first one is there again; its answer was lost with the rest.
        List<int> numbers = [];
        while (!numbers.Contains(3))
        {
            var next = await peers.NextAsync();
            numbers.AddRange(next.Numbers);
            next.Received();
        }

        Assert.That(numbers, Is.EqualTo(new[] { 1, 3 }));

        async Task SendAsync(int n)
        {
            using var limit = new CancellationTokenSource(TimeLimit.OfOneWait);
            // As clients do: a 503 while it is not to be had.
            while ((await alice.SendAsync($"t{n}", "@carol:hs2", "C1", $$"""{"n":{{n}}}""")).Status != 200)
                Assert.That(limit.IsCancellationRequested, Is.False, "it is not accepted");
        }
    }

    /// <summary>From where on the primary is alone, once the standby has got what a query counts.</summary>
    private async Task CutOffAsync(string query)
    {
        var standby = new DatabaseView(_standby.ConnectionString);
        // The tables come to it as late as everything else.
        await standby.ReachesAsync("SELECT count(*) FROM pg_tables WHERE schemaname = 'to_device' AND tablename = 'to_device_edu'", 1);
        await standby.ReachesAsync(query, 1);
        _standby.CutOff();
        await new DatabaseView(_primary.ConnectionString).ReachesAsync(Standbys, 0);
    }

    private void FailOver()
    {
        _primary.StopServer("immediate");
        _standby.Promote();
    }

    private static async Task AppendAsync(Host host, string messageId)
    {
        var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", messageId);
        await using var transaction = (await host.Transactions.BeginAsync(key, host.Transactions.KnownRemovals, default))!;
        await host.Outbox.AppendAsync(transaction, [new OutboundEdu("hs2", messageId, "{}"u8.ToArray())], default);
        Assert.That(await transaction.CommitAsync(default), Is.EqualTo(CommitResult.Committed));
    }
}
