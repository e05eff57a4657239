using Npgsql;

namespace Matrix.ToDevice;

/// <summary>Commits sends.</summary>
internal interface IWriter : IAsyncDisposable
{
    ValueTask<CommitResult> CommitAsync(PostgreSqlTransaction transaction, CancellationToken cancellationToken);
}

/// <summary>Reads inboxes.</summary>
internal interface IReader
{
    /// <inheritdoc cref="IDeviceInbox.ReadAsync"/>
    ValueTask<InboxPage> ReadPageAsync(DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken);
}

/// <summary>Deletes what a device has, what nobody asks for any more, and devices that are removed.</summary>
internal interface ICleaner
{
    /// <inheritdoc cref="IDeviceInbox.AcknowledgeAsync"/>
    ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken);

    /// <inheritdoc cref="IDeviceInbox.RemoveDeviceAsync"/>
    ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken);

    /// <inheritdoc cref="PostgreSqlDevices.RemoveAndCommitAsync"/>
    ValueTask RemoveAndCommitAsync(NpgsqlTransaction transaction, DeviceAddress device, CancellationToken cancellationToken);

    /// <inheritdoc cref="ITransactionStore.PurgeAsync"/>
    ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken);
}

/// <summary>The EDUs that wait for other servers: read and removed here, added by the commits.</summary>
internal interface IOutbox
{
    /// <inheritdoc cref="IFederationOutbox.ReadAsync"/>
    ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken);

    /// <inheritdoc cref="IFederationOutbox.RemoveAsync"/>
    ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken);

    /// <inheritdoc cref="IFederationOutbox.ListDestinationsAsync"/>
    ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken);
}

/// <summary>Who sends to which destination.</summary>
internal interface ILeases
{
    /// <inheritdoc cref="IFederationOutbox.AcquireAsync"/>
    ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken);

    /// <inheritdoc cref="IFederationOutbox.AcquireTheseAsync"/>
    ValueTask<IReadOnlyList<OutboxLease>> AcquireTheseAsync(
        IReadOnlyList<string> destinations, string holder, TimeSpan duration, CancellationToken cancellationToken);

    /// <inheritdoc cref="IFederationOutbox.RenewAsync"/>
    ValueTask<bool> RenewAsync(string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken);

    /// <inheritdoc cref="IFederationOutbox.ReleaseAsync"/>
    ValueTask ReleaseAsync(string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken);
}

/// <summary>Measures what waits.</summary>
internal interface IMeasures
{
    /// <inheritdoc cref="IStoreUpkeep.MeasureAsync(CancellationToken)"/>
    ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken);

    /// <inheritdoc cref="IStoreUpkeep.MeasureAsync(IReadOnlyList{DeviceAddress}, InboxSize, CancellationToken)"/>
    ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken);
}

/// <summary>What is done now and then.</summary>
internal interface IUpkeep
{
    /// <inheritdoc cref="IStoreUpkeep.IsCommittedAsync"/>
    ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken);

    /// <inheritdoc cref="IStoreUpkeep.TryTakeAsync"/>
    ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken);

    /// <inheritdoc cref="IStoreUpkeep.ExpireAsync"/>
    ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken);
}
