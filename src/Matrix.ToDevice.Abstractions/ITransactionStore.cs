namespace Matrix.ToDevice;

/// <summary>
/// Remembers which sends were committed, and commits them. It is one store with the <see cref="IDeviceInbox"/> and the
/// <see cref="IFederationOutbox"/>: what is appended to those within a transaction of this one is committed with it.
/// </summary>
/// <remarks>
/// <list type="bullet">
/// <item><term>Cancelled_calls_do_all_or_nothing</term><description> This holds for every call of every seam: one whose token
/// was cancelled before it began throws <see cref="OperationCanceledException"/> and does nothing; one that is cancelled on
/// its way has done all of its work or none of it (D3, D4).</description></item>
/// <item><term>Commits_survive_a_restart</term><description> Of a durable store: what was committed, and what was deleted, is
/// so after a restart, and what was under way has left nothing.</description></item>
/// <item><term>Hosts_share_one_store</term><description> Of a store that several hosts can open: every promise holds across
/// its instances, and what one has answered, all see.</description></item>
/// </list>
/// Any exception means that the store is not to be had at the moment; the client is told to try again later (503, D3).
/// </remarks>
public interface ITransactionStore
{
    /// <summary>
    /// How many removals of devices this store knows of. Read it before the requester or a recipient is looked up, and
    /// hand it to <see cref="BeginAsync"/>: that is how a commit can tell whether what was looked up still holds (D6).
    /// </summary>
    /// <remarks>
    /// Never goes down while the store is open. May lag behind removals on other hosts, and behind those from before a
    /// restart: a commit that meets a removal it did not know is refused once and learns it. No I/O.
    /// </remarks>
    long KnownRemovals { get; }

    /// <summary>Begins the transaction of one send.</summary>
    /// <remarks>May do no I/O: a store is free to gather everything until the commit, and to commit many sends at once.</remarks>
    /// <param name="key">What makes a retry recognisable.</param>
    /// <param name="knownRemovals">The <see cref="KnownRemovals"/> from before the requester and the recipients were looked up.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The transaction, or null when the key is known to be committed; that counts as a use of its record (D5).</returns>
    ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken);

    /// <summary>
    /// Forgets records of an endpoint that have not been used since a moment, and removals of devices that are older than it (D5).
    /// </summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Unused_records_are_forgotten</term><description> Their keys are free again. A use is a commit, and every
    /// call that found the key committed; records of the other endpoint, messages and EDUs stay.</description></item>
    /// </list>
    /// </remarks>
    /// <param name="endpoint">
    /// The <see cref="TransactionKey.Endpoint"/> of the records: <see cref="TransactionKey.SendToDevice"/> or
    /// <see cref="TransactionKey.DirectToDevice"/>. Each has a retention of its own.
    /// </param>
    /// <param name="lastUsedBefore">Records that were used at this moment or later are kept.</param>
    /// <param name="atMost">The most records to forget in this call, so that no call takes long.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>How many records were forgotten. Fewer than <paramref name="atMost"/>: no more are due.</returns>
    ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken);
}
