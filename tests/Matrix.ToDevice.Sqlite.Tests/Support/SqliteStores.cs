using System.Text;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>One SQLite store on one file, used through the seams.</summary>
internal sealed class SqliteStores : IAsyncDisposable
{
    private static long s_sendId;
    private readonly ServiceProvider _services;

    private SqliteStores(ServiceProvider services) => _services = services;

    public ITransactionStore Transactions => _services.GetRequiredService<ITransactionStore>();
    public IDeviceInbox Inbox => _services.GetRequiredService<IDeviceInbox>();
    public IFederationOutbox Outbox => _services.GetRequiredService<IFederationOutbox>();
    public IStoreUpkeep Upkeep => _services.GetRequiredService<IStoreUpkeep>();
    public ToDeviceSync ToDevice => _services.GetRequiredService<ToDeviceSync>();

    public static SqliteStores Open(string path, Action<SqliteStoreOptions>? configure = null)
    {
        var services = new ServiceCollection();
        services.AddSendToDevice().UseSqlite(options =>
        {
            options.ConnectionString = $"Data Source={path}";
            configure?.Invoke(options);
        });
        return new SqliteStores(services.BuildServiceProvider());
    }

    /// <summary>Sends one message from <c>@alice:hs1</c>'s device A1 to devices of <c>@bob:hs1</c>.</summary>
    public async Task<CommitResult> SendAsync(string txnId, string content, params string[] deviceIds)
    {
        var key = new TransactionKey("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", txnId);
        await using var transaction = (await Transactions.BeginAsync(key, Transactions.KnownRemovals, default))!;
        var sendId = Interlocked.Increment(ref s_sendId);
        var messages = deviceIds.Select(deviceId => new ToDeviceMessage(
            new DeviceAddress("@bob:hs1", deviceId), "@alice:hs1", "m.test", Encoding.UTF8.GetBytes(content), sendId)).ToList();
        await Inbox.AppendAsync(transaction, messages, default);
        return await transaction.CommitAsync(default);
    }

    /// <summary>What waits for a device of <c>@bob:hs1</c>, and the token for it.</summary>
    public async Task<(List<string> Contents, string NextBatch)> SyncAsync(string deviceId, string? since = null, int limit = 100)
    {
        using var batch = await ToDevice.NextAsync(new DeviceAddress("@bob:hs1", deviceId), since, limit, TimeSpan.Zero, default);
        return ([.. batch.Events.Select(message => Encoding.UTF8.GetString(message.Content.Span))], batch.NextBatch);
    }

    public ValueTask DisposeAsync() => _services.DisposeAsync();
}
