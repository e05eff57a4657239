namespace Matrix.ToDevice;

/// <summary>What the author of a store writes for the kit: what the store can do, and how one is opened.</summary>
public abstract class StoreTarget
{
    /// <summary>
    /// The store's name in reports. Targets of one class that open different stores have different names: when a store cannot be opened,
    /// the first case tells why, and the others of the same class and name point to it.
    /// </summary>
    public virtual string Name => GetType().Name;

    /// <summary>What the store can do beyond what every store has to.</summary>
    public abstract StoreClaims Claims { get; }

    /// <summary>How long one case may take until it counts as failed. Default: 60 seconds.</summary>
    public virtual TimeSpan TimeLimit => TimeSpan.FromSeconds(60);

    /// <summary>
    /// Opens a store over the data of this name. A name that was never used before has no data: the store is empty. With
    /// <see cref="StoreClaims.Durable"/>, a name comes again after its store was closed, and everything has to be there;
    /// with <see cref="StoreClaims.SeveralInstances"/>, it comes again while its store is open.
    /// </summary>
    /// <remarks>Cases run side by side when a test framework does so: two names share nothing.</remarks>
    /// <param name="data">
    /// Lower-case letters, digits and underscores, a letter first, at most 32 characters: good for a file, a schema or a
    /// database.
    /// </param>
    /// <param name="time">The clock that the store measures the ages of records and removals with (D5). Cases move it.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public abstract ValueTask<StoreInstance> OpenAsync(string data, TimeProvider time, CancellationToken cancellationToken);

    /// <summary>Deletes the data of a name, after the case that used it; its stores are closed. Does nothing unless overridden.</summary>
    /// <param name="data">The name.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public virtual ValueTask DeleteAsync(string data, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>
    /// Keeps the data of a name as it is now, for <see cref="RestoreAsync"/>, as a backup does; its stores are closed. Has to be
    /// overridden with <see cref="StoreClaims.Restorable"/>.
    /// </summary>
    /// <param name="data">The name.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public virtual ValueTask SaveAsync(string data, CancellationToken cancellationToken) =>
        throw new NotSupportedException($"{Name} claims {StoreClaims.Restorable}: override SaveAsync and RestoreAsync.");

    /// <summary>
    /// Puts the data of a name back to what it was at <see cref="SaveAsync"/>, as a restored backup does, or a failover that has lost the
    /// last commits; its stores are closed. Has to be overridden with <see cref="StoreClaims.Restorable"/>.
    /// </summary>
    /// <param name="data">The name.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public virtual ValueTask RestoreAsync(string data, CancellationToken cancellationToken) => SaveAsync(data, cancellationToken);
}
