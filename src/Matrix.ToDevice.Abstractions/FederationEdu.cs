namespace Matrix.ToDevice;

/// <summary>One <c>m.direct_to_device</c> EDU on its way into the outbox (R80).</summary>
/// <param name="Destination">The server name of the server that gets it.</param>
/// <param name="MessageId">The EDU's own <c>message_id</c>: random, at most 32 code points, the same in every retry (R81).</param>
/// <param name="Content">
/// The EDU's <c>content</c> as canonical JSON, <c>message_id</c> included: the bytes that are signed are those that are sent (D20).
/// Valid until the transaction is disposed, and a store that keeps it longer copies it.
/// </param>
public readonly record struct OutboundEdu(string Destination, string MessageId, ReadOnlyMemory<byte> Content);

/// <summary>One <c>m.direct_to_device</c> EDU in the outbox.</summary>
/// <param name="Position">Where it stands among those of its destination: a later one has a higher number.</param>
/// <param name="MessageId">The EDU's own <c>message_id</c>.</param>
/// <param name="Content">The EDU's <c>content</c>, as it was appended.</param>
/// <param name="CommittedAt">When its send was committed, by the store's clock; whole milliseconds are enough.</param>
public readonly record struct OutboxEntry(long Position, string MessageId, ReadOnlyMemory<byte> Content, DateTimeOffset CommittedAt);

/// <summary>The right to send to a destination, for a while: see <see cref="IFederationOutbox.AcquireAsync"/>.</summary>
/// <param name="Destination">The server name.</param>
/// <param name="SendingUpTo">
/// The <see cref="OutboxEntry.Position"/> of the last EDU of the transaction that was tried last: if that EDU still waits,
/// the next transaction holds exactly the EDUs up to it again (R84). 0: none was tried.
/// </param>
/// <param name="Failures">How many times in a row the destination has failed, as the last holder said; 0 after a success.</param>
public readonly record struct OutboxLease(string Destination, long SendingUpTo, int Failures);
