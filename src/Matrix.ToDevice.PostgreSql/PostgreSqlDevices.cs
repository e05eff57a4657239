using Npgsql;

namespace Matrix.ToDevice;

/// <summary>
/// Ends devices in the homeserver's own transactions, for one that keeps its devices in the same database: the device and its
/// messages go together, or neither does. From the services, with <c>UsePostgreSql</c>.
/// </summary>
public sealed class PostgreSqlDevices
{
    private readonly PostgreSqlStore _store;

    internal PostgreSqlDevices(PostgreSqlStore store) => _store = store;

    /// <summary>
    /// Ends a device as the last step of a transaction, and commits it; in place of <c>ToDeviceSync.RemoveDeviceAsync</c> (R70).
    /// When the transaction has deleted the homeserver's own row of the device, no other host can begin a device with that ID
    /// in between and have the messages of that one removed (D6), whatever becomes of this host or its connection.
    /// </summary>
    /// <remarks>One device in each transaction: two that end the same devices in another order would wait for each other.</remarks>
    /// <param name="transaction">A transaction at <c>read committed</c> in the store's database. Completed when this returns.</param>
    /// <param name="device">The device.</param>
    /// <param name="cancellationToken">Cancels everything up to the commit.</param>
    /// <exception cref="PostgreSqlStoreException">
    /// It failed. Nothing was changed, unless the connection broke in the commit itself: then all was, or nothing.
    /// </exception>
    public ValueTask RemoveAndCommitAsync(NpgsqlTransaction transaction, DeviceAddress device, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        return _store.RemoveAndCommitAsync(transaction, device, cancellationToken);
    }
}
