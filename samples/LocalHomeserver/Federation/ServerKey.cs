namespace LocalHomeserver;

/// <summary>This server's signing key: made when it is first needed, and from then on the one in the store.</summary>
internal sealed class ServerKey(ISigningKeyStore store)
{
    private volatile SigningKey? _key;

    // Callers that come at the same time get the same key: the store keeps only the first one.
    public async ValueTask<SigningKey> GetAsync(CancellationToken cancellationToken) =>
        _key ??= await store.GetOrAddSigningKeyAsync(SigningKey.New(), cancellationToken);
}

/// <summary>Where the signing key lives; an account store has it too, so that all hosts of one server sign with one key.</summary>
internal interface ISigningKeyStore
{
    /// <summary>The server's signing key: <paramref name="candidate"/>, unless there is one already. One step.</summary>
    ValueTask<SigningKey> GetOrAddSigningKeyAsync(SigningKey candidate, CancellationToken cancellationToken);
}
