namespace Matrix.ToDevice;

/// <summary>
/// For each other server, the EDUs that it has not received yet, in order. Optional: without one, users of other
/// servers are treated as unknown.
/// </summary>
/// <remarks>
/// A destination can also be an appservice: what waits for it is kept like EDUs, under a name that no server can have. A store need
/// not know; a host that reads the outbox itself passes over those for which <c>Appservice.IsDestination</c> is true.
/// </remarks>
public interface IFederationOutbox
{
    /// <summary>Adds EDUs behind those of their destinations when the transaction commits (D4).</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Foreign_transactions_are_refused</term><description> A transaction of another store throws
    /// <see cref="ArgumentException"/>: two stores cannot commit together.</description></item>
    /// <item><term>Contents_are_kept_as_sent</term><description> Every content comes out byte for byte as it went in, and with
    /// it the <c>message_id</c> (R81).</description></item>
    /// </list>
    /// </remarks>
    /// <param name="transaction">A transaction of the store that this outbox belongs to.</param>
    /// <param name="edus">The EDUs. Read until the transaction is disposed.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask AppendAsync(IToDeviceTransaction transaction, IReadOnlyList<OutboundEdu> edus, CancellationToken cancellationToken);

    /// <summary>Reads the oldest EDUs for a destination behind a position. Changes nothing.</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Destinations_are_first_in_first_out</term><description> In the order of their commits; none can appear
    /// before one that was read (R84, R89).</description></item>
    /// </list>
    /// </remarks>
    /// <param name="destination">The server name.</param>
    /// <param name="after">The <see cref="OutboxEntry.Position"/> behind which to begin; 0 for the oldest.</param>
    /// <param name="limit">The most EDUs to return, at least 1.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken);

    /// <summary>Deletes EDUs of a destination, because it answered 200 or they are given up (D16).</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Only_what_was_received_is_removed</term><description> Exactly these: each that stands at its position with its
    /// <c>message_id</c>. Whatever else stands there stays: when a database has lost its last commits, in a failover or a restored
    /// backup, positions are given out again, and a late answer is for the EDU that was lost (D23).</description></item>
    /// </list>
    /// </remarks>
    /// <param name="destination">The server name.</param>
    /// <param name="edus">EDUs that were read, in order. Their contents are not looked at.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken);

    /// <summary>Lists the destinations that have EDUs waiting, in ordinal order.</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Destinations_with_mail_are_listed</term><description> All of them, each once, and no others: sending resumes
    /// from this list after a restart (D16).</description></item>
    /// </list>
    /// </remarks>
    /// <param name="after">Only those behind this one; null for the first ones.</param>
    /// <param name="limit">The most destinations to return, at least 1.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken);

    /// <summary>
    /// Takes destinations that have EDUs waiting and that nobody sends to, so that each has one sender at a time (R84).
    /// </summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Destinations_have_one_sender</term><description> A destination that was taken is given to nobody, this
    /// holder included, until it is released or the time has run out; then it can be taken again (D16). Time is the store's:
    /// hosts that share a store need not have the same.</description></item>
    /// <item><term>Transactions_are_repeated_as_they_were</term><description> What the last holder noted with
    /// <see cref="RenewAsync"/> and <see cref="ReleaseAsync"/> comes with the lease. In a durable store, the note of
    /// <see cref="RenewAsync"/> survives a restart (R84).</description></item>
    /// <item><term>Failing_destinations_hold_up_no_others</term><description> Those that have not failed come first, and among them,
    /// as among the others, those that have been free for the longest time: a destination that is down, or always busy, keeps nobody
    /// waiting (D22). It is free since its release, the end of its pause or of the time for which it was taken; or since something
    /// waits for it, if that is later.</description></item>
    /// <item><term>Empty_destinations_are_forgotten</term><description> Where nothing waits, and nobody has taken it, nothing is kept
    /// of a destination: anybody can name one (D21).</description></item>
    /// </list>
    /// A store that only one process can open forgets at its start who had taken what.
    /// </remarks>
    /// <param name="holder">Who takes them: a name that no other host uses, new at each start.</param>
    /// <param name="duration">For how long, unless it is renewed.</param>
    /// <param name="limit">The most destinations to take, at least 1.</param>
    /// <param name="failingLimit">Of these, the most whose <see cref="OutboxLease.Failures"/> is not 0.</param>
    /// <param name="longestPause">
    /// A destination that is taken, or left alone, for longer than that from now is free: a clock was set back, as by a failover to a
    /// machine whose clock is behind.
    /// </param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken);

    /// <summary>
    /// Takes those of these destinations that have EDUs waiting, have not failed and are free, as <see cref="AcquireAsync"/> would: servers that
    /// are known to answer, whose mail is not to stand behind that for others.
    /// </summary>
    /// <remarks>By default, none: then they wait for their turn.</remarks>
    /// <param name="destinations">The server names.</param>
    /// <param name="holder">Who takes them.</param>
    /// <param name="duration">For how long, unless it is renewed.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask<IReadOnlyList<OutboxLease>> AcquireTheseAsync(
        IReadOnlyList<string> destinations, string holder, TimeSpan duration, CancellationToken cancellationToken) => new([]);

    /// <summary>Keeps a destination for longer, and notes what is being sent to it.</summary>
    /// <param name="destination">The server name.</param>
    /// <param name="holder">Who has taken it.</param>
    /// <param name="duration">For how long from now.</param>
    /// <param name="sendingUpTo">The next holder's <see cref="OutboxLease.SendingUpTo"/>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>
    /// False: the time had run out and somebody else has taken it, or nothing waited any more; or it was released. Nothing was noted.
    /// </returns>
    ValueTask<bool> RenewAsync(string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken);

    /// <summary>Gives a destination back; when it is not this holder's any more, this does nothing.</summary>
    /// <param name="destination">The server name.</param>
    /// <param name="holder">Who has taken it.</param>
    /// <param name="failures">The next holder's <see cref="OutboxLease.Failures"/>.</param>
    /// <param name="pause">For how long nobody may take it: zero, or how long to wait after a failure.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask ReleaseAsync(string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken);
}
