using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice;

/// <summary>
/// Tries out whether the store can be read and written. There is one try at a time, however many ask: behind a writer that is stuck, no
/// others pile up.
/// </summary>
internal sealed class StoreProbe(IServiceScopeFactory scopes, ToDeviceMetrics metrics, TimeProvider time)
{
    // Nobody has it: a user ID is not empty.
    private static readonly DeviceAddress s_nobody = new("", "");

    private readonly SharedRun<string?> _run = new();

    /// <summary>Any exception means that it cannot.</summary>
    /// <returns>Null, or what works less well than it could.</returns>
    /// <exception cref="TimeoutException">The store did not answer in time.</exception>
    public Task<string?> RunAsync(TimeSpan timeout, CancellationToken cancellationToken) =>
        _run.JoinOrStart(() => TryAsync(timeout)).WaitAsync(timeout, time, cancellationToken);

    private async Task<string?> TryAsync(TimeSpan timeout)
    {
        await using var scope = scopes.CreateAsyncScope();
        var services = scope.ServiceProvider;
        using var limit = new CancellationTokenSource(timeout, time);
        if (services.GetService<IStoreUpkeep>() is { } upkeep) return await upkeep.CheckAsync(limit.Token);

        // What every store can do, and changes nothing: no record is so old.
        var (inbox, transactions) = (services.GetRequiredService<IDeviceInbox>(), services.GetRequiredService<ITransactionStore>());
        using (await new CountedInbox(inbox, metrics).ReadAsync(s_nobody, InboxPosition.Start, limit: 1, maxBytes: 1, limit.Token))
        {
        }

        await new CountedTransactions(transactions, metrics).PurgeAsync(TransactionKey.SendToDevice, DateTimeOffset.UnixEpoch, atMost: 1, limit.Token);
        return null;
    }
}
