namespace Matrix.ToDevice;

/// <summary>What operators ask of a store, with its errors counted.</summary>
internal sealed class CountedUpkeep(IStoreUpkeep upkeep, ToDeviceMetrics metrics)
{
    /// <summary>Whoever asks waits for it for as long as its token says: that it takes longer is the store's failure, and not the caller's.</summary>
    public async ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await upkeep.MeasureAsync(cancellationToken);
        }
        catch (Exception exception) when (metrics.StoreFailed(StoreOperation.Measure, exception, CancellationToken.None))
        {
            throw;
        }
    }

    public async ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(
        IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken)
    {
        try
        {
            return await upkeep.MeasureAsync(devices, upTo, cancellationToken);
        }
        catch (Exception exception) when (metrics.StoreFailed(StoreOperation.Measure, exception, cancellationToken))
        {
            throw;
        }
    }

    public async ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken)
    {
        try
        {
            return await upkeep.IsCommittedAsync(key, cancellationToken);
        }
        catch (Exception exception) when (metrics.StoreFailed(StoreOperation.IsCommitted, exception, cancellationToken))
        {
            throw;
        }
    }

    public async ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken)
    {
        try
        {
            return await upkeep.ExpireAsync(committedBefore, atMost, cancellationToken);
        }
        catch (Exception exception) when (metrics.StoreFailed(StoreOperation.Expire, exception, cancellationToken))
        {
            throw;
        }
    }

    public async ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken)
    {
        try
        {
            return await upkeep.TryTakeAsync(task, interval, cancellationToken);
        }
        catch (Exception exception) when (metrics.StoreFailed(StoreOperation.Take, exception, cancellationToken))
        {
            throw;
        }
    }
}
