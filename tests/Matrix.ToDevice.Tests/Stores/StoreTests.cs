using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Moq;

namespace Matrix.ToDevice.Tests;

/// <summary>What every store promises, at the seams. <see cref="TestStore"/> says which store this is.</summary>
public class StoreTests
{
    private static readonly DeviceAddress s_device = new("@bob:hs1", "B1");

    private ServiceProvider _services = null!;
    private long _sendId;

    private ITransactionStore Transactions => _services.GetRequiredService<ITransactionStore>();
    private IDeviceInbox Inbox => _services.GetRequiredService<IDeviceInbox>();
    private IFederationOutbox Outbox => _services.GetRequiredService<IFederationOutbox>();

    [SetUp]
    public void SetUp() => _services = Build();

    [TearDown]
    public async Task TearDownAsync() => await _services.DisposeAsync();

    [Test]
    public async Task Abandoned_transactions_leave_nothing()
    {
        await using (var abandoned = await BeginAsync("t1"))
        {
            await Inbox.AppendAsync(abandoned, [Message("1")], default);
            await Outbox.AppendAsync(abandoned, [new OutboundEdu("hs2", "m1", "{}"u8.ToArray())], default);
        }

        Assert.That(await ReadAsync(), Is.Empty);
        Assert.That(await Outbox.ListDestinationsAsync(null, 10, default), Is.Empty);
        Assert.That(await SendAsync("t1", "2"), Is.EqualTo(CommitResult.Committed), "the key is free");
    }

    [Test]
    public async Task Nothing_is_visible_before_the_commit()
    {
        await using var transaction = await BeginAsync("t1");
        await Inbox.AppendAsync(transaction, [Message("1")], default);

        Assert.That(await ReadAsync(), Is.Empty);
    }

    [Test]
    public async Task One_winner()
    {
        await using var first = await BeginAsync("t1");
        await using var second = await BeginAsync("t1");
        await Inbox.AppendAsync(first, [Message("1")], default);
        await Inbox.AppendAsync(second, [Message("2")], default);

        Assert.That(await second.CommitAsync(default), Is.EqualTo(CommitResult.Committed));
        Assert.That(await first.CommitAsync(default), Is.EqualTo(CommitResult.AlreadyCommitted));
        Assert.That(await ReadAsync(), Is.EqualTo(new[] { "2" }));
    }

    [Test]
    public async Task Foreign_transactions_are_refused()
    {
        await using var others = Build();
        await using var foreign = await others.GetRequiredService<ITransactionStore>().BeginAsync(Key("t1"), 0, default);
        var unknown = Mock.Of<IToDeviceTransaction>();

        foreach (var transaction in new[] { foreign!, unknown })
        {
            Assert.That(async () => await Inbox.AppendAsync(transaction, [Message("1")], default), Throws.ArgumentException);
            Assert.That(async () => await Outbox.AppendAsync(transaction, [], default), Throws.ArgumentException);
        }
    }

    [Test]
    public async Task Positions_in_commit_order()
    {
        await using var slow = await BeginAsync("slow");
        await Inbox.AppendAsync(slow, [Message("slow")], default);
        await SendAsync("t1", "fast");
        using var page = await Inbox.ReadAsync(s_device, InboxPosition.Start, 10, default);

        await slow.CommitAsync(default);

        using var behind = await Inbox.ReadAsync(s_device, page.Messages[^1].Position, 10, default);
        Assert.That(page.Messages.Select(Text), Is.EqualTo(new[] { "fast" }));
        Assert.That(behind.Messages.Select(Text), Is.EqualTo(new[] { "slow" }));
        Assert.That(behind.Messages[0].Position.Sequence, Is.EqualTo(2));
    }

    [Test]
    public async Task Only_what_was_handed_out_is_deleted()
    {
        for (var n = 1; n <= 3; n++) await SendAsync($"t{n}", $"{n}");
        using var page = await Inbox.ReadAsync(s_device, InboxPosition.Start, 2, default);
        var second = page.Messages[1].Position;

        Assert.That(page.HasMore, Is.True);
        Assert.That(await Inbox.AcknowledgeAsync(s_device, second with { SendId = second.SendId + 1 }, default), Is.Zero);
        Assert.That(await Inbox.AcknowledgeAsync(s_device, second with { Sequence = 3 }, default), Is.Zero);
        Assert.That(await Inbox.AcknowledgeAsync(s_device, second with { Sequence = 4 }, default), Is.Zero);
        Assert.That(await Inbox.AcknowledgeAsync(s_device, second with { Sequence = long.MaxValue }, default), Is.Zero);
        Assert.That(await Inbox.AcknowledgeAsync(s_device, InboxPosition.Start, default), Is.Zero);
        Assert.That(await Inbox.AcknowledgeAsync(new DeviceAddress("@bob:hs1", "B2"), second, default), Is.Zero);
        Assert.That(await Inbox.AcknowledgeAsync(s_device, second, default), Is.EqualTo(2));
        Assert.That(await Inbox.AcknowledgeAsync(s_device, second, default), Is.Zero);
        Assert.That(await ReadAsync(), Is.EqualTo(new[] { "3" }));
    }

    [Test]
    public async Task Positions_go_on_after_an_inbox_was_emptied()
    {
        await SendAsync("t1", "1");
        using var first = await Inbox.ReadAsync(s_device, InboxPosition.Start, 10, default);
        await Inbox.AcknowledgeAsync(s_device, first.Messages[0].Position, default);
        await SendAsync("t2", "2");

        using var second = await Inbox.ReadAsync(s_device, InboxPosition.Start, 10, default);
        Assert.That(second.Messages[0].Position.Sequence, Is.EqualTo(2));
    }

    [Test]
    public async Task Removed_devices_get_nothing()
    {
        var before = Transactions.KnownRemovals;
        await Inbox.RemoveDeviceAsync(s_device, default);

        Assert.That(await SendAsync("t1", "1", before), Is.EqualTo(CommitResult.DeviceRemoved));
        Assert.That(await ReadAsync(), Is.Empty);
        Assert.That(await SendAsync("t1", "2", Transactions.KnownRemovals), Is.EqualTo(CommitResult.Committed));
        Assert.That(await ReadAsync(), Is.EqualTo(new[] { "2" }));
    }

    [Test]
    public async Task Contents_are_kept_as_sent_at_every_length()
    {
        var random = new Random(1);
        int[] lengths = [1, 127, 128, 129, 192, 193, 256, 65_535, 65_536, 65_537, 98_304, 524_287, 524_288, 524_289, 700_000, .. Enumerable.Range(0, 100).Select(_ => random.Next(1, 5000))];
        for (var round = 0; round < 3; round++)
        {
            var contents = lengths.Select(length => new string((char)('a' + length % 26), length)).ToList();
            for (var i = 0; i < contents.Count; i++) await SendAsync($"{round}.{i}", contents[i]);

            using var page = await Inbox.ReadAsync(s_device, InboxPosition.Start, contents.Count, default);
            Assert.That(page.Messages.Select(Text), Is.EqualTo(contents));
            // What is given back is used again in the next round.
            await Inbox.AcknowledgeAsync(s_device, page.Messages[^1].Position, default);
        }
    }

    [Test]
    public async Task A_page_that_was_read_does_not_change_when_its_messages_are_acknowledged()
    {
        await SendAsync("t1", "first");
        using var page = await Inbox.ReadAsync(s_device, InboxPosition.Start, 10, default);
        await Inbox.AcknowledgeAsync(s_device, page.Messages[0].Position, default);
        await SendAsync("t2", "later");

        Assert.That(Text(page.Messages[0]), Is.EqualTo("first"));
    }

    [Test]
    public async Task Destinations_are_first_in_first_out()
    {
        for (var n = 1; n <= 3; n++)
        {
            await using var transaction = await BeginAsync($"t{n}");
            await Outbox.AppendAsync(transaction, [Edu("hs2", n), Edu("hs3", n)], default);
            await transaction.CommitAsync(default);
        }

        Assert.That(await Outbox.ListDestinationsAsync(null, 10, default), Is.EqualTo(new[] { "hs2", "hs3" }));
        Assert.That(await Outbox.ListDestinationsAsync(null, 1, default), Is.EqualTo(new[] { "hs2" }));
        Assert.That(await Outbox.ListDestinationsAsync("hs2", 10, default), Is.EqualTo(new[] { "hs3" }));
        var two = await Outbox.ReadAsync("hs2", 2, default);
        Assert.That(two.Select(entry => entry.MessageId), Is.EqualTo(new[] { "m1", "m2" }));

        await Outbox.RemoveAsync("hs2", two[^1].Position, default);

        var rest = await Outbox.ReadAsync("hs2", 10, default);
        Assert.That(rest.Select(entry => (entry.MessageId, Encoding.UTF8.GetString(entry.Content.Span))), Is.EqualTo(new[] { ("m3", "content 3") }));
        Assert.That(await Outbox.ReadAsync("hs3", 10, default), Has.Count.EqualTo(3));
        Assert.That(await Outbox.ReadAsync("hs4", 10, default), Is.Empty);
    }

    private static ServiceProvider Build()
    {
        var services = new ServiceCollection();
        services.AddSendToDevice().UseTestStore();
        return services.BuildServiceProvider();
    }

    private static OutboundEdu Edu(string destination, int n) => new(destination, $"m{n}", Encoding.UTF8.GetBytes($"content {n}"));

    private static TransactionKey Key(string txnId) => new("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", txnId);

    private static string Text(InboxMessage message) => Encoding.UTF8.GetString(message.Content.Span);

    private ToDeviceMessage Message(string content) => new(s_device, "@alice:hs1", "m.test", Encoding.UTF8.GetBytes(content), ++_sendId);

    private async Task<IToDeviceTransaction> BeginAsync(string txnId, long knownRemovals = 0) =>
        (await Transactions.BeginAsync(Key(txnId), knownRemovals, default))!;

    private async Task<CommitResult> SendAsync(string txnId, string content, long knownRemovals = 0)
    {
        await using var transaction = await BeginAsync(txnId, knownRemovals);
        await Inbox.AppendAsync(transaction, [Message(content)], default);
        return await transaction.CommitAsync(default);
    }

    private async Task<List<string>> ReadAsync()
    {
        using var page = await Inbox.ReadAsync(s_device, InboxPosition.Start, 1000, default);
        return [.. page.Messages.Select(Text)];
    }
}
