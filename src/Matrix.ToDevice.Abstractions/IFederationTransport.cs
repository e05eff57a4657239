namespace Matrix.ToDevice;

/// <summary>
/// Carries transactions to other servers. It is the homeserver's: finding the other server, signing the request and the
/// connection are its own.
/// </summary>
public interface IFederationTransport
{
    /// <summary>
    /// Sends one transaction, as <c>PUT /_matrix/federation/v1/send/{txnId}</c>, and waits for the answer. Called for one
    /// transaction of a destination at a time; after anything else than <see cref="FederationSendResult.Received"/> the same
    /// transaction comes again (R84).
    /// </summary>
    /// <param name="transaction">The transaction; its contents are valid until the call ends.</param>
    /// <param name="cancellationToken">
    /// Cancelled when it has taken too long, when this host is about to stop, and when another host has taken over.
    /// </param>
    /// <returns>How it ended. An exception counts as <see cref="FederationSendResult.Failed"/>.</returns>
    ValueTask<FederationSendResult> SendAsync(FederationTransaction transaction, CancellationToken cancellationToken);
}
