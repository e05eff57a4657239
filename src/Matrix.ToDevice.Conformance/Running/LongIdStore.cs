namespace Matrix.ToDevice;

/// <summary>A store as a case sees it: with the case's short IDs in front, and long ones behind.</summary>
internal sealed class LongIdStore(LongIds ids, StoreInstance store) : ITransactionStore, IDeviceInbox, IFederationOutbox, IStoreUpkeep
{
    public long KnownRemovals => store.Transactions.KnownRemovals;

    private IFederationOutbox Outbox => store.Outbox!;
    private IStoreUpkeep Upkeep => store.Upkeep!;

    public ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken) =>
        store.Transactions.BeginAsync(ids.Of(key), knownRemovals, cancellationToken);

    public ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken) =>
        store.Transactions.PurgeAsync(endpoint, lastUsedBefore, atMost, cancellationToken);

    public ValueTask AppendAsync(IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken) =>
        store.Inbox.AppendAsync(transaction, [.. messages.Select(Long)], cancellationToken);

    public async ValueTask<InboxPage> ReadAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken)
    {
        var page = await store.Inbox.ReadAsync(ids.Of(device), after, limit, maxBytes, cancellationToken);
        return new InboxPage([.. page.Messages.Select(Short)], page.HasMore, page);
    }

    public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken) =>
        store.Inbox.AcknowledgeAsync(ids.Of(device), upTo, cancellationToken);

    public ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) =>
        store.Inbox.RemoveDeviceAsync(ids.Of(device), cancellationToken);

    public ValueTask AppendAsync(IToDeviceTransaction transaction, IReadOnlyList<OutboundEdu> edus, CancellationToken cancellationToken) =>
        Outbox.AppendAsync(transaction, [.. edus.Select(edu => edu with { Destination = ids.OfDestination(edu.Destination) })], cancellationToken);

    public ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken) =>
        Outbox.ReadAsync(ids.OfDestination(destination), after, limit, cancellationToken);

    public ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken) =>
        Outbox.RemoveAsync(ids.OfDestination(destination), edus, cancellationToken);

    public async ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken) =>
        [.. (await Outbox.ListDestinationsAsync(after is null ? null : ids.OfDestination(after), limit, cancellationToken)).Select(ids.Short)];

    public async ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken) =>
        Short(await Outbox.AcquireAsync(holder, duration, limit, failingLimit, longestPause, cancellationToken));

    public async ValueTask<IReadOnlyList<OutboxLease>> AcquireTheseAsync(
        IReadOnlyList<string> destinations, string holder, TimeSpan duration, CancellationToken cancellationToken) =>
        Short(await Outbox.AcquireTheseAsync([.. destinations.Select(ids.OfDestination)], holder, duration, cancellationToken));

    public ValueTask<bool> RenewAsync(string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken) =>
        Outbox.RenewAsync(ids.OfDestination(destination), holder, duration, sendingUpTo, cancellationToken);

    public ValueTask ReleaseAsync(string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken) =>
        Outbox.ReleaseAsync(ids.OfDestination(destination), holder, failures, pause, cancellationToken);

    public ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken) => Upkeep.MeasureAsync(cancellationToken);

    public ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(
        IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken) =>
        Upkeep.MeasureAsync([.. devices.Select(ids.Of)], upTo, cancellationToken);

    public ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken) =>
        Upkeep.IsCommittedAsync(ids.Of(key), cancellationToken);

    public ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken) =>
        Upkeep.ExpireAsync(committedBefore, atMost, cancellationToken);

    public ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken) =>
        Upkeep.TryTakeAsync(task, interval, cancellationToken);

    public ValueTask<string?> CheckAsync(CancellationToken cancellationToken) => Upkeep.CheckAsync(cancellationToken);

    private ToDeviceMessage Long(ToDeviceMessage message) => message with
    {
        Recipient = ids.Of(message.Recipient),
        Sender = ids.OfUser(message.Sender),
        EventType = ids.Of(message.EventType),
    };

    private InboxMessage Short(InboxMessage message) => message with { Sender = ids.Short(message.Sender), EventType = ids.Short(message.EventType) };

    private IReadOnlyList<OutboxLease> Short(IReadOnlyList<OutboxLease> leases) =>
        [.. leases.Select(lease => lease with { Destination = ids.Short(lease.Destination) })];
}
