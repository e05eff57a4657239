namespace Matrix.ToDevice;

/// <summary>Carries transactions to appservices. It is the homeserver's: it knows their addresses and tokens.</summary>
public interface IAppserviceTransport
{
    /// <summary>
    /// Sends one transaction, as <c>PUT {url}/_matrix/app/v1/transactions/{txnId}</c> with the appservice's <c>hs_token</c>, and waits
    /// for the answer. Called for one transaction of an appservice at a time; after anything else than
    /// <see cref="AppserviceSendResult.Received"/> the same transaction comes again, with the same events (R105).
    /// </summary>
    /// <param name="transaction">The transaction; its contents are valid until the call ends.</param>
    /// <param name="cancellationToken">
    /// Cancelled when it has taken too long, when this host is about to stop, and when another host has taken over.
    /// </param>
    /// <returns>How it ended. An exception counts as <see cref="AppserviceSendResult.Failed"/>.</returns>
    ValueTask<AppserviceSendResult> SendAsync(AppserviceTransaction transaction, CancellationToken cancellationToken);
}
