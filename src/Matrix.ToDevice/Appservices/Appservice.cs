namespace Matrix.ToDevice;

/// <summary>An appservice, as its registration describes it: which users of this server are its own, or concern it.</summary>
public sealed class Appservice
{
    // No server name has a slash: nobody can name an appservice's queue with a user ID.
    private const string DestinationPrefix = "appservice/";

    // With the prefix, what fits into the index of every store.
    private const int MaxIdBytes = 255;

    /// <summary>An appservice.</summary>
    /// <param name="id">The <c>id</c> of its registration. What waits for it is kept under this name: it never changes.</param>
    /// <param name="senderUserId">The full user ID of its <c>sender_localpart</c>.</param>
    /// <param name="userNamespaces">Its <c>namespaces.users</c>.</param>
    /// <exception cref="ArgumentException">The ID is empty, longer than 255 bytes or no text, or the second is no user ID.</exception>
    public Appservice(string id, string senderUserId, IEnumerable<AppserviceNamespace> userNamespaces)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(id);
        ArgumentNullException.ThrowIfNull(senderUserId);
        ArgumentNullException.ThrowIfNull(userNamespaces);
        if (!AppserviceId.IsUsable(id, MaxIdBytes))
            throw new ArgumentException($"An appservice's ID is a text of at most {MaxIdBytes} bytes without control characters.", nameof(id));
        if (!MatrixUserId.IsPlausible(senderUserId))
            throw new ArgumentException("It is not a user ID, which has the form @localpart:server.", nameof(senderUserId));
        (Id, SenderUserId, UserNamespaces, Destination) = (id, senderUserId, [.. userNamespaces], DestinationPrefix + id);
    }

    /// <summary>The <c>id</c> of its registration.</summary>
    public string Id { get; }

    /// <summary>The user that it is when it does not say as whom it acts (R100). This one is its own, as those of exclusive namespaces are.</summary>
    public string SenderUserId { get; }

    /// <summary>The users that it can act as, and whose messages it gets.</summary>
    public IReadOnlyList<AppserviceNamespace> UserNamespaces { get; }

    /// <summary>
    /// Whether messages are pushed to it (R104). False for one that has no <c>url</c>, or that reads them from <c>/sync</c>: then those for
    /// its users are in their inboxes, like everybody's. Default: true.
    /// </summary>
    public bool ReceivesToDevice { get; init; } = true;

    internal string Destination { get; }

    /// <summary>Whether it can act as this user: one of this server who is its sender or in one of its namespaces (R100).</summary>
    /// <param name="userId">The full user ID.</param>
    public bool Covers(string userId) => CoverageOf(userId) != AppserviceCoverage.None;

    /// <summary>Whether this user is its alone: its sender, or one in an exclusive namespace. Nobody else may register it.</summary>
    /// <param name="userId">The full user ID.</param>
    public bool Owns(string userId) => CoverageOf(userId) == AppserviceCoverage.Exclusive;

    /// <summary>
    /// Whether a destination in an <see cref="IFederationOutbox"/> is an appservice, and no server: a host that reads the outbox itself
    /// passes it over.
    /// </summary>
    /// <param name="destination">The destination.</param>
    public static bool IsDestination(string destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        return destination.StartsWith(DestinationPrefix, StringComparison.Ordinal);
    }

    internal AppserviceCoverage CoverageOf(string userId)
    {
        ArgumentNullException.ThrowIfNull(userId);
        if (userId == SenderUserId) return AppserviceCoverage.Exclusive;
        // However wide the expression is, users of other servers are not meant.
        if (!MatrixUserId.ServerNameOf(userId).SequenceEqual(MatrixUserId.ServerNameOf(SenderUserId))) return AppserviceCoverage.None;

        var coverage = AppserviceCoverage.None;
        for (var i = 0; i < UserNamespaces.Count && coverage != AppserviceCoverage.Exclusive; i++)
        {
            if (UserNamespaces[i].Matches(userId))
                coverage = UserNamespaces[i].IsExclusive ? AppserviceCoverage.Exclusive : AppserviceCoverage.Inclusive;
        }

        return coverage;
    }
}

/// <summary>What a user is to an appservice.</summary>
internal enum AppserviceCoverage
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>It gets the user's messages, and the user's devices get them too.</summary>
    Inclusive,

    /// <summary>The user is its own: the messages are for it alone (R105).</summary>
    Exclusive,
}
