namespace Matrix.ToDevice.Tool;

/// <summary>An open store, looked at past its package. Each implementation knows exactly one version of the schema: the package's own.</summary>
internal interface IStore : IAsyncDisposable
{
    Task<Inspection> InspectAsync(CancellationToken cancellationToken);

    Task<IReadOnlyList<InboxLine>> InboxesAsync(InboxQuery query, CancellationToken cancellationToken);

    Task<IReadOnlyList<DestinationLine>> DestinationsAsync(DestinationQuery query, CancellationToken cancellationToken);

    /// <summary>The oldest messages of an inbox.</summary>
    Task<IReadOnlyList<MessageLine>> MessagesAsync(DeviceAddress device, bool withContents, int limit, CancellationToken cancellationToken);

    /// <summary>The devices of a user, those without messages too.</summary>
    Task<IReadOnlyList<DeviceAddress>> DevicesAsync(string userId, CancellationToken cancellationToken);

    /// <summary>What waits in an inbox, and its newest message.</summary>
    Task<InboxEnd> EndOfInboxAsync(DeviceAddress device, CancellationToken cancellationToken);

    /// <summary>What waits for a destination, and the position of its newest EDU.</summary>
    Task<DestinationEnd> EndOfDestinationAsync(string destination, CancellationToken cancellationToken);

    /// <summary>Looks for whatever should not be so.</summary>
    Task VerifyAsync(Findings findings, IProgress<long> progress, CancellationToken cancellationToken);

    /// <summary>Gives everything to a target, as it was at one moment.</summary>
    Task SendAsync(IMoveTarget target, IProgress<long> progress, CancellationToken cancellationToken);
}

/// <summary>Which inboxes, in which order.</summary>
internal sealed record InboxQuery(string? UserId, InboxOrder Order, int Limit, int Skip);

internal enum InboxOrder { Messages, Bytes, Age }

/// <summary>Which destinations: those in trouble come first.</summary>
internal sealed record DestinationQuery(int Limit, int Skip);

internal readonly record struct InboxEnd(long Messages, long Bytes, InboxPosition Newest);

internal readonly record struct DestinationEnd(long Edus, long Bytes, long Newest);
