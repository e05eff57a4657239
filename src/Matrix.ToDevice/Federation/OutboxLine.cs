using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>The line of an outbox, in which servers and appservices stand, as both senders see it.</summary>
internal sealed class OutboxLine(QuietLogger<OutboxLine> logger, AppserviceQueues? appservices = null)
{
    // For so long, an appservice's queue that is no business of this host is left to the others.
    private static readonly TimeSpan s_elsewhere = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly HashSet<string> _told = new(StringComparer.Ordinal);

    /// <summary>Twice what is usual: a clock that was set back a little, or another host with longer pauses, frees nothing that is in use.</summary>
    public static TimeSpan LongestPause(TimeSpan maxPause, TimeSpan leaseDuration) => 2 * (maxPause > leaseDuration ? maxPause : leaseDuration);

    /// <summary>Gives back what this host does not send to now.</summary>
    public async ValueTask GiveBackAsync(IFederationOutbox outbox, OutboxLease lease, string holder, CancellationToken cancellationToken)
    {
        var isElsewhere = Appservice.IsDestination(lease.Destination) && appservices?.Find(lease.Destination) is null;
        await outbox.ReleaseAsync(lease.Destination, holder, lease.Failures, isElsewhere ? s_elsewhere : TimeSpan.Zero, cancellationToken);
        if (isElsewhere && IsNews(lease.Destination)) Log.UnknownAppservice(logger, lease.Destination);
    }

    private bool IsNews(string destination)
    {
        lock (_lock) return _told.Add(destination);
    }
}
