using System.Text;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>One host's store, used through the seams. Several on one database are several hosts.</summary>
internal sealed class EntityFrameworkHost : IAsyncDisposable
{
    private readonly ServiceProvider _services;

    public EntityFrameworkHost(Action<DbContextOptionsBuilder> use, TimeProvider? time = null)
    {
        var services = new ServiceCollection();
        if (time is not null) services.AddSingleton(time);
        services.AddDbContext<HomeserverDb>(use);
        services.AddSendToDevice().UseEntityFrameworkCore<HomeserverDb>();
        _services = services.BuildServiceProvider();
    }

    public ITransactionStore Transactions => _services.GetRequiredService<ITransactionStore>();
    public IDeviceInbox Inbox => _services.GetRequiredService<IDeviceInbox>();
    public IFederationOutbox Outbox => _services.GetRequiredService<IFederationOutbox>();
    public IStoreUpkeep Upkeep => _services.GetRequiredService<IStoreUpkeep>();

    public static DeviceAddress Bob(string deviceId) => new("@bob:hs1", deviceId);

    /// <summary>Sends one message to devices of <c>@bob:hs1</c>, and an EDU to each of some servers.</summary>
    public async Task<CommitResult> SendAsync(
        string txnId, string content, IEnumerable<string> deviceIds, string? sender = "A1", long? knownRemovals = null, string userId = "@alice:hs1",
        params string[] servers)
    {
        var key = new TransactionKey(userId, sender, TransactionKey.SendToDevice, "m.test", txnId);
        await using var transaction = (await Transactions.BeginAsync(key, knownRemovals ?? Transactions.KnownRemovals, default))!;
        var (bytes, sendId) = (Encoding.UTF8.GetBytes(content), Random.Shared.NextInt64());
        await Inbox.AppendAsync(
            transaction, [.. deviceIds.Select(deviceId => new ToDeviceMessage(Bob(deviceId), userId, "m.test", bytes, sendId))], default);
        await Outbox.AppendAsync(transaction, [.. servers.Select(server => new OutboundEdu(server, $"m{txnId}", bytes))], default);
        return await transaction.CommitAsync(default);
    }

    public Task<CommitResult> SendAsync(string txnId, string content, string deviceId) => SendAsync(txnId, content, [deviceId]);

    /// <summary>Everything that waits for a device of <c>@bob:hs1</c>; and checks that it is counted without a gap (D12).</summary>
    public async Task<List<string>> ReadAsync(string deviceId)
    {
        using var page = await Inbox.ReadAsync(Bob(deviceId), InboxPosition.Start, 1_000_000, int.MaxValue, default);
        var first = page.Messages.Count > 0 ? page.Messages[0].Position.Sequence : 0;
        Assert.That(page.Messages.Select(message => message.Position.Sequence - first), Is.EqualTo(Enumerable.Range(0, page.Messages.Count)), "D12");
        return [.. page.Messages.Select(message => Encoding.UTF8.GetString(message.Content.Span))];
    }

    /// <summary>The destinations that are free, taken for a while.</summary>
    public async Task<List<string>> TakeAsync(string holder, TimeSpan duration) =>
        [.. (await Outbox.AcquireAsync(holder, duration, 100, 100, TimeSpan.FromDays(1), default)).Select(lease => lease.Destination)];

    public ValueTask DisposeAsync() => _services.DisposeAsync();
}
