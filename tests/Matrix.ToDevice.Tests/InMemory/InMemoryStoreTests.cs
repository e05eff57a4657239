using System.Text;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

public class InMemoryStoreTests
{
    private static readonly DeviceAddress s_device = new("@bob:hs1", "B1");

    private ServiceProvider _services = null!;
    private long _sendId;

    private ITransactionStore Transactions => _services.GetRequiredService<ITransactionStore>();
    private IDeviceInbox Inbox => _services.GetRequiredService<IDeviceInbox>();
    private IFederationOutbox Outbox => _services.GetRequiredService<IFederationOutbox>();

    [SetUp]
    public void SetUp() => _services = Build(_ => { });

    [TearDown]
    public async Task TearDownAsync() => await _services.DisposeAsync();

    [Test]
    public async Task D24_a_key_that_is_no_text_is_refused_and_keeps_nothing()
    {
        await using var services = Build(options => options.CapacityBytes = 16 << 20);
        _services = services;

        for (var n = 0; n < 100; n++)
            Assert.That(async () => await SendAsync("half a pair: \ud800", new string('x', 500_000)), Throws.InstanceOf<ArgumentException>());

        await SendAsync("good", new string('x', 500_000));
        Assert.That(await ReadAsync(), Has.Count.EqualTo(1));
    }

    [Test]
    public async Task D3_a_full_store_refuses_a_send_and_takes_it_when_there_is_room_again()
    {
        await using var services = Build(options => options.CapacityBytes = 16 << 20);
        _services = services;
        var sent = 0;
        while (true)
        {
            try
            {
                await SendAsync($"t{sent}", new string('x', 500_000));
                sent++;
            }
            catch (InvalidOperationException)
            {
                break;
            }
        }

        Assert.That(sent, Is.InRange(28, 33));
        Assert.That(await ReadAsync(), Has.Count.EqualTo(sent));
        using var page = await Inbox.ReadAsync(s_device, InboxPosition.Start, 100, int.MaxValue, default);
        await Inbox.AcknowledgeAsync(s_device, page.Messages[^1].Position, default);
        Assert.That(await SendAsync($"t{sent}", new string('x', 500_000)), Is.EqualTo(CommitResult.Committed));
    }

    [Test]
    public async Task Room_is_given_back_by_acknowledgement_removal_purge_and_federation()
    {
        await using var services = Build(options => options.CapacityBytes = 16 << 20);
        _services = services;
        for (var round = 0; round < 100; round++)
        {
            await using var transaction = await BeginAsync($"t{round}", Transactions.KnownRemovals);
            await Inbox.AppendAsync(transaction, [Message(new string('x', 5_000_000))], default);
            await Outbox.AppendAsync(transaction, [new OutboundEdu("hs2", $"m{round}", new byte[5_000_000])], default);
            Assert.That(await transaction.CommitAsync(default), Is.EqualTo(CommitResult.Committed), $"round {round}");

            using var page = await Inbox.ReadAsync(s_device, InboxPosition.Start, 1, int.MaxValue, default);
            if (round % 2 == 0) await Inbox.AcknowledgeAsync(s_device, page.Messages[0].Position, default);
            else await Inbox.RemoveDeviceAsync(s_device, default);
            if (round % 3 == 0) await Inbox.RemoveDeviceAsync(new DeviceAddress("@alice:hs1", "A1"), default);
            else Assert.That(await Transactions.PurgeAsync(TransactionKey.SendToDevice, DateTimeOffset.MaxValue, 10, default), Is.EqualTo(1));
            var edu = (await Outbox.ReadAsync("hs2", 1)).Single();
            await Outbox.RemoveAsync("hs2", [edu], default);
        }
    }

    private static ServiceProvider Build(Action<InMemoryOptions> configure)
    {
        var services = new ServiceCollection();
        services.AddSendToDevice().UseInMemory(configure);
        return services.BuildServiceProvider();
    }

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
        using var page = await Inbox.ReadAsync(s_device, InboxPosition.Start, 1000, int.MaxValue, default);
        return [.. page.Messages.Select(Text)];
    }
}
