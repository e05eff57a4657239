namespace LocalHomeserver;

/// <summary>The keys of the servers that this one talks to, fetched from them when they are first needed and then kept.</summary>
internal sealed partial class PeerKeys(FederationClient client, Settings settings, TimeProvider clock, ILogger<PeerKeys> logger)
    : IDisposable
{
    // Whoever makes up key identifiers does not make this server ask its peers all the time.
    private static readonly TimeSpan s_betweenFetches = TimeSpan.FromSeconds(5);

    private readonly Dictionary<string, Peer> _peers = settings.Peers.Keys.ToDictionary(name => name, _ => new Peer());

    public bool Knows(string serverName) => _peers.ContainsKey(serverName);

    /// <summary>A peer's public key; null when the peer says that it has no such key.</summary>
    /// <exception cref="Matrix.ToDevice.ToDeviceErrorException">The peer does not say which keys it has.</exception>
    public async ValueTask<byte[]?> FindAsync(string serverName, string keyId, CancellationToken cancellationToken)
    {
        var peer = _peers[serverName];
        if (Cached(peer, keyId) is { } cached) return cached;

        await peer.Fetching.WaitAsync(cancellationToken);
        try
        {
            // Somebody else may have fetched it while this caller waited.
            if (Cached(peer, keyId) is { } fetched) return fetched;

            if (peer.NextFetch <= clock.GetUtcNow())
            {
                // Not with the caller's token: one who goes away does not use up the only try.
                await FetchAsync(peer, serverName);
                peer.NextFetch = clock.GetUtcNow() + s_betweenFetches;
            }

            if (Cached(peer, keyId) is { } found) return found;

            // Without an answer nobody knows whether the request is good: it may come again (D3).
            return peer.HasAnswered ? null : throw Errors.Unavailable($"The keys of {serverName} cannot be fetched at the moment");
        }
        finally
        {
            peer.Fetching.Release();
        }
    }

    public void Dispose()
    {
        foreach (var peer in _peers.Values) peer.Fetching.Dispose();
    }

    private byte[]? Cached(Peer peer, string keyId) =>
        peer.Document is { } document && document.ValidUntil > clock.GetUtcNow() ? document.Keys.GetValueOrDefault(keyId) : null;

    private async Task FetchAsync(Peer peer, string serverName)
    {
        try
        {
            var json = await client.GetServerKeysAsync(serverName, CancellationToken.None);
            peer.HasAnswered = true;
            if (KeyDocument.Read(json, serverName, clock) is { } document) peer.Document = document;
            else LogInvalid(logger, serverName);
        }
        catch (FederationException e)
        {
            peer.HasAnswered = false;
            LogUnreachable(logger, serverName, e.Message);
        }
    }

    [LoggerMessage(2, LogLevel.Warning, "The key document of {ServerName} is expired, or not signed by it")]
    private static partial void LogInvalid(ILogger logger, string serverName);

    [LoggerMessage(3, LogLevel.Warning, "The keys of {ServerName} cannot be fetched: {Reason}")]
    private static partial void LogUnreachable(ILogger logger, string serverName, string reason);

    private sealed class Peer
    {
        private volatile KeyDocument? _document;

        public SemaphoreSlim Fetching { get; } = new(1);

        public KeyDocument? Document { get => _document; set => _document = value; }

        public DateTimeOffset NextFetch { get; set; }

        public bool HasAnswered { get; set; }
    }
}
