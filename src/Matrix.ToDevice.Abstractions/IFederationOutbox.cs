namespace Matrix.ToDevice;

/// <summary>
/// For each other server, the EDUs that it has not received yet, in order. Optional: without one, users of other
/// servers are treated as unknown.
/// </summary>
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

    /// <summary>Reads the oldest EDUs for a destination. Changes nothing.</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Destinations_are_first_in_first_out</term><description> In the order of their commits; none can appear
    /// before one that was read (R84, R89).</description></item>
    /// </list>
    /// </remarks>
    /// <param name="destination">The server name.</param>
    /// <param name="limit">The most EDUs to return, at least 1.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, int limit, CancellationToken cancellationToken);

    /// <summary>Deletes the EDUs of a destination up to a position, because the destination answered 200 (D16).</summary>
    /// <remarks>
    /// <list type="bullet">
    /// <item><term>Only_what_was_received_is_removed</term><description> Later ones stay, and those of other destinations.
    /// Positions are not given out again, so that a call that is repeated late removes nothing more.</description></item>
    /// </list>
    /// </remarks>
    /// <param name="destination">The server name.</param>
    /// <param name="upTo">The <see cref="OutboxEntry.Position"/> of the last EDU that it has.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask RemoveAsync(string destination, long upTo, CancellationToken cancellationToken);

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
}
