namespace Matrix.ToDevice;

/// <summary>An outbox whose errors are counted.</summary>
internal sealed class CountedOutbox(IFederationOutbox outbox, ToDeviceMetrics metrics) : IFederationOutbox
{
    public async ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<OutboundEdu> edus, CancellationToken cancellationToken) =>
        await CountAsync(
            StoreOperation.OutboxAppend, () => Nothing(outbox.AppendAsync(transaction, edus, cancellationToken)), cancellationToken);

    public ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken) =>
        CountAsync(StoreOperation.OutboxRead, () => outbox.ReadAsync(destination, after, limit, cancellationToken), cancellationToken);

    public async ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken) =>
        await CountAsync(
            StoreOperation.OutboxRemove, () => Nothing(outbox.RemoveAsync(destination, edus, cancellationToken)), cancellationToken);

    public ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken) =>
        CountAsync(StoreOperation.OutboxList, () => outbox.ListDestinationsAsync(after, limit, cancellationToken), cancellationToken);

    public ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken) =>
        CountAsync(
            StoreOperation.OutboxAcquire, () => outbox.AcquireAsync(holder, duration, limit, failingLimit, longestPause, cancellationToken), cancellationToken);

    public ValueTask<IReadOnlyList<OutboxLease>> AcquireTheseAsync(
        IReadOnlyList<string> destinations, string holder, TimeSpan duration, CancellationToken cancellationToken) =>
        CountAsync(
            StoreOperation.OutboxAcquire, () => outbox.AcquireTheseAsync(destinations, holder, duration, cancellationToken), cancellationToken);

    public ValueTask<bool> RenewAsync(
        string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken) =>
        CountAsync(
            StoreOperation.OutboxRenew, () => outbox.RenewAsync(destination, holder, duration, sendingUpTo, cancellationToken), cancellationToken);

    public async ValueTask ReleaseAsync(
        string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken) =>
        await CountAsync(
            StoreOperation.OutboxRelease, () => Nothing(outbox.ReleaseAsync(destination, holder, failures, pause, cancellationToken)), cancellationToken);

    private static async ValueTask<bool> Nothing(ValueTask call)
    {
        await call;
        return true;
    }

    private async ValueTask<T> CountAsync<T>(string operation, Func<ValueTask<T>> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call();
        }
        catch (Exception exception) when (metrics.StoreFailed(operation, exception, cancellationToken))
        {
            throw;
        }
    }
}
