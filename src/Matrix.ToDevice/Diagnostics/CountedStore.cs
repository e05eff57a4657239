using System.Runtime.CompilerServices;

namespace Matrix.ToDevice;

/// <summary>Transactions whose errors are counted; the commit's are by whoever commits.</summary>
internal sealed class CountedTransactions(ITransactionStore transactions, ToDeviceMetrics metrics) : ITransactionStore
{
    public long KnownRemovals => transactions.KnownRemovals;

    public async ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken)
    {
        try
        {
            return await transactions.BeginAsync(key, knownRemovals, cancellationToken);
        }
        catch (Exception exception) when (metrics.StoreFailed(StoreOperation.Begin, exception, cancellationToken))
        {
            throw;
        }
    }

    public async ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken)
    {
        try
        {
            return await transactions.PurgeAsync(endpoint, lastUsedBefore, atMost, cancellationToken);
        }
        catch (Exception exception) when (metrics.StoreFailed(StoreOperation.Purge, exception, cancellationToken))
        {
            throw;
        }
    }
}

/// <summary>An inbox whose errors are counted.</summary>
internal sealed class CountedInbox(IDeviceInbox inbox, ToDeviceMetrics metrics) : IDeviceInbox
{
    public bool SignalsEveryCommit => inbox.SignalsEveryCommit;

    public async ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken)
    {
        try
        {
            await inbox.AppendAsync(transaction, messages, cancellationToken);
        }
        catch (Exception exception) when (metrics.StoreFailed(StoreOperation.Append, exception, cancellationToken))
        {
            throw;
        }
    }

    // The two that wait for a database in nearly every sync: what they wait with is used again.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<InboxPage> ReadAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken)
    {
        try
        {
            return await inbox.ReadAsync(device, after, limit, maxBytes, cancellationToken);
        }
        catch (Exception exception) when (metrics.StoreFailed(StoreOperation.Read, exception, cancellationToken))
        {
            throw;
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken)
    {
        try
        {
            return await inbox.AcknowledgeAsync(device, upTo, cancellationToken);
        }
        catch (Exception exception) when (metrics.StoreFailed(StoreOperation.Acknowledge, exception, cancellationToken))
        {
            throw;
        }
    }

    public async ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken)
    {
        try
        {
            await inbox.RemoveDeviceAsync(device, cancellationToken);
        }
        catch (Exception exception) when (metrics.StoreFailed(StoreOperation.RemoveDevice, exception, cancellationToken))
        {
            throw;
        }
    }
}
