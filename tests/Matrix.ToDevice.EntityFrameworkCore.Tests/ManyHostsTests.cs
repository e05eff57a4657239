using System.Collections.Concurrent;
using System.Text;

namespace Matrix.ToDevice.Tests;

/// <summary>Two stores on one database keep every promise together, whichever it is.</summary>
[TestFixture(typeof(SqliteDatabases))]
[TestFixture(typeof(PostgreSqlDatabases))]
[TestFixture(typeof(MariaDbDatabases))]
public class ManyHostsTests<TDatabases>
    where TDatabases : ITestDatabase, new()
{
    private readonly TDatabases _databases = new();
    private string _name = null!;
    private EntityFrameworkHost _one = null!, _two = null!;

    [SetUp]
    public void Open()
    {
        _name = TestStore.NewName();
        TestStore.Create(_databases, _name);
        (_one, _two) = (NewHost(), NewHost());
    }

    [TearDown]
    public async Task CloseAsync()
    {
        await _one.DisposeAsync();
        await _two.DisposeAsync();
        await _databases.DeleteAsync(_name);
    }

    [Test]
    public async Task R41_of_concurrent_duplicates_on_two_hosts_one_wins_also_for_senders_without_a_device([Values("A1", null)] string? sender)
    {
        for (var round = 0; round < 10; round++)
        {
            // To devices that nobody knows yet, and to nobody.
            string[] devices = round % 2 == 0 ? [$"new{round}", "B3"] : [];
            var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => (i % 2 == 0 ? _one : _two).SendAsync($"t{round}", $"{round}", devices, sender)));
            Assert.That(results.Count(result => result == CommitResult.Committed), Is.EqualTo(1));
            Assert.That(results.Count(result => result == CommitResult.AlreadyCommitted), Is.EqualTo(7));
        }

        Assert.That(await _one.ReadAsync("B3"), Is.EqualTo(new[] { "0", "2", "4", "6", "8" }));
    }

    [Test]
    public async Task D6_removals_beside_sends_leave_either_all_of_a_send_or_nothing_of_it()
    {
        for (var round = 0; round < 10; round++)
        {
            var before = _one.Transactions.KnownRemovals;
            var sends = Enumerable.Range(0, 6).Select(n =>
                (n % 2 == 0 ? _one : _two).SendAsync($"{round}.{n}", $"{n}", ["B1", "B2"], $"A{n}", before)).ToList();
            await _two.Inbox.RemoveDeviceAsync(EntityFrameworkHost.Bob("B1"), default);
            var results = await Task.WhenAll(sends);

            // What was committed before the removal went with it; nothing was committed after it.
            Assert.That(await _one.ReadAsync("B1"), Is.Empty);
            Assert.That(
                (await _one.ReadAsync("B2")).Order(),
                Is.EqualTo(Enumerable.Range(0, 6).Where(n => results[n] == CommitResult.Committed).Select(n => $"{n}")));
            await _one.Inbox.RemoveDeviceAsync(EntityFrameworkHost.Bob("B2"), default);
        }
    }

    [Test]
    public async Task Many_sends_with_overlapping_recipients_and_servers_in_any_order_all_succeed()
    {
        var random = new Random(1);
        var sends = Enumerable.Range(0, 120).Select(n =>
        {
            string[] Some() => [.. Enumerable.Range(0, 8).Where(_ => random.Next(2) == 0).OrderBy(_ => random.Next()).Select(i => $"B{i}")];
            return (Host: n % 2 == 0 ? _one : _two, Devices: Some(), Servers: Some(), n);
        }).ToList();

        // Senders are recipients of others.
        var results = await Task.WhenAll(sends.Select(send => send.Host.SendAsync(
            $"t{send.n}", $"{send.n}", send.Devices, $"B{send.n % 8}", userId: "@bob:hs1", servers: send.Servers)));

        Assert.That(results, Is.All.EqualTo(CommitResult.Committed));
        for (var i = 0; i < 8; i++)
        {
            Assert.That(
                (await _one.ReadAsync($"B{i}")).Select(int.Parse).Order(), Is.EqualTo(sends.Where(send => send.Devices.Contains($"B{i}")).Select(send => send.n)));
            var edus = await _two.Outbox.ReadAsync($"B{i}", 0, 1000, default);
            Assert.That(edus.Select(edu => edu.MessageId).Order(), Is.EqualTo(sends.Where(send => send.Servers.Contains($"B{i}")).Select(send => $"mt{send.n}").Order()));
        }
    }

    [Test]
    public async Task D12_acknowledgements_beside_sends_lose_nothing()
    {
        const int Sends = 60;
        var received = new ConcurrentQueue<string>();
        var sending = Task.WhenAll(Enumerable.Range(0, 3).Select(async sender =>
        {
            for (var n = 0; n < Sends; n++) await (n % 2 == 0 ? _one : _two).SendAsync($"t{n}", $"{sender}.{n}", ["B1"], $"A{sender}");
        }));
        do
        {
            var host = received.Count % 2 == 0 ? _two : _one;
            using var page = await host.Inbox.ReadAsync(EntityFrameworkHost.Bob("B1"), InboxPosition.Start, 5, int.MaxValue, default);
            if (page.Messages.Count == 0) await TimeLimit.OneMoreTurnAsync();
            else Assert.That(await host.Inbox.AcknowledgeAsync(EntityFrameworkHost.Bob("B1"), page.Messages[^1].Position, default), Is.EqualTo(page.Messages.Count));
            foreach (var message in page.Messages) received.Enqueue(Encoding.UTF8.GetString(message.Content.Span));
        }
        while (!sending.IsCompletedSuccessfully || received.Count < 3 * Sends);

        await sending;
        for (var sender = 0; sender < 3; sender++)
        {
            Assert.That(
                received.Where(content => content.StartsWith($"{sender}.", StringComparison.Ordinal)),
                Is.EqualTo(Enumerable.Range(0, Sends).Select(n => $"{sender}.{n}")));
        }
    }

    [Test]
    public async Task D2_names_are_told_apart_however_a_database_compares_texts()
    {
        string[] devices = ["b", "B", "b ", "b\0", "ß", "ss", "e\u0301", "é", "", " ", new('x', 3000), new string('x', 3000) + "y", "b\u200d"];
        foreach (var device in devices) Assert.That(await _one.SendAsync("t", device, [device], device), Is.EqualTo(CommitResult.Committed));
        await _two.Inbox.RemoveDeviceAsync(EntityFrameworkHost.Bob("B"), default);
        foreach (var device in devices) Assert.That(await _two.ReadAsync(device), Is.EqualTo(device == "B" ? (string[])[] : [device]));

        string[] servers = ["hs2.", "HS2", "hs2", "hs2 ", "hs2\0", "hß", "hss"];
        await _one.SendAsync("edus", "{}", [], servers: servers);
        Assert.That(await _two.Outbox.ListDestinationsAsync(null, 100, default), Is.EqualTo(servers.Order(StringComparer.Ordinal)));
        await _one.Outbox.RemoveAsync("hs2", await _one.Outbox.ReadAsync("hs2", 0, 10, default), default);
        Assert.That(await _two.Outbox.ListDestinationsAsync("HS2", 100, default), Is.EqualTo(servers.Except(["hs2", "HS2"]).Order(StringComparer.Ordinal)));
    }

    [Test]
    public async Task More_than_fits_into_one_statement_goes_with_an_acknowledgement_a_removal_and_a_purge()
    {
        const int Messages = 2500;
        var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", "t");
        await using (var transaction = (await _one.Transactions.BeginAsync(key, 0, default))!)
        {
            foreach (var device in (string[])["B1", "B2"])
            {
                for (var n = 1; n <= Messages; n++)
                    await _one.Inbox.AppendAsync(transaction, [new(EntityFrameworkHost.Bob(device), "@alice:hs1", "m.test", "{}"u8.ToArray(), 1)], default);
            }

            Assert.That(await transaction.CommitAsync(default), Is.EqualTo(CommitResult.Committed));
        }

        Assert.That(await _two.Inbox.AcknowledgeAsync(EntityFrameworkHost.Bob("B1"), new InboxPosition(Messages - 1, 1), default), Is.EqualTo(Messages - 1));
        await _two.Inbox.RemoveDeviceAsync(EntityFrameworkHost.Bob("B2"), default);
        Assert.That((await _one.ReadAsync("B1")).Count, Is.EqualTo(1));
        Assert.That(await _one.ReadAsync("B2"), Is.Empty);
    }

    [Test]
    public async Task R84_hosts_whose_clocks_differ_agree_on_who_sends()
    {
        await using var ahead = NewHost(new TestTime(TimeSpan.FromHours(2)));
        await using var behind = NewHost(new TestTime(TimeSpan.FromHours(-2)));
        await ahead.SendAsync("t1", "{}", [], servers: ["hs2"]);
        await behind.SendAsync("t2", "{}", [], servers: ["hs3"]);

        Assert.That(await behind.TakeAsync("behind", TimeSpan.FromMinutes(10)), Is.EquivalentTo(new[] { "hs2", "hs3" }));
        Assert.That(await ahead.TakeAsync("ahead", TimeSpan.FromMinutes(10)), Is.Empty);
        await behind.Outbox.ReleaseAsync("hs2", "behind", 0, TimeSpan.Zero, default);
        await behind.Outbox.ReleaseAsync("hs3", "behind", 1, TimeSpan.FromMinutes(10), default);
        Assert.That(await ahead.TakeAsync("ahead", TimeSpan.FromMinutes(10)), Is.EqualTo(new[] { "hs2" }));
        Assert.That(await behind.TakeAsync("behind", TimeSpan.FromMinutes(10)), Is.Empty);

        var edus = await ahead.Outbox.ReadAsync("hs2", 0, 10, default);
        await ahead.Outbox.RemoveAsync("hs2", edus, default);
        await ahead.Outbox.ReleaseAsync("hs2", "ahead", 0, TimeSpan.Zero, default);
        await behind.SendAsync("t3", "{}", [], servers: ["hs2"]);
        // Within a second of a clock that counts seconds, it may be the same again: then the message ID tells them apart.
        Assert.That((await behind.Outbox.ReadAsync("hs2", 0, 10, default)).Single().Position, Is.GreaterThanOrEqualTo(edus[^1].Position));
    }

    private EntityFrameworkHost NewHost(TimeProvider? time = null) => new(options => _databases.Use(options, _name), time);

    private sealed class TestTime(TimeSpan ahead) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + ahead;
    }
}
