using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>
/// Takes out of pages what is not to be handed out: messages of ignored users (R60), those that have waited for too long, and requests
/// that nobody needs any more (R130). Each is counted and logged, never silently gone.
/// </summary>
internal sealed class HiddenMessages(
    IgnoredSenders ignored, CurrentOptions options, ToDeviceMetrics metrics, TimeProvider time, QuietLogger<HiddenMessages> logger)
{
    private static readonly IReadOnlySet<string> s_nobody = new HashSet<string>();

    /// <summary>Whether a page has to be looked through.</summary>
    public bool Concern(DeviceAddress device, InboxPage page) => ignored.Concern(device, page) || HasExpired(page) || HasRequests(page);

    /// <summary>Whether what stands behind the page says something about messages in it: what cancels a request comes later.</summary>
    public bool DependOnMore(InboxPage page) => page.HasMore && HasRequests(page);

    /// <summary>Whom the device's user ignores, once it is known that it matters.</summary>
    public async ValueTask<IReadOnlySet<string>?> FindIgnoredAsync(
        DeviceAddress device, InboxPage page, IReadOnlySet<string>? known, CancellationToken cancellationToken) =>
        known ?? (ignored.Concern(device, page) ? await ignored.FindAsync(device, cancellationToken) : null);

    /// <summary>
    /// The page without the hidden messages, and with no more than the limit of the others, which takes its place; and up to where it goes:
    /// with hidden ones behind the last of the others, so that what cancels a request goes with it.
    /// </summary>
    public (InboxPage Page, InboxPosition UpTo) Take(InboxPage page, DeviceAddress device, IReadOnlySet<string>? ignoredUsers, int limit)
    {
        var messages = page.Messages;
        var reasons = new HiddenReason[messages.Count];
        var expired = ExpiredBefore();
        for (var i = 0; i < reasons.Length; i++) reasons[i] = ReasonOf(messages[i], device, ignoredUsers ?? s_nobody, expired);
        if (HasRequests(page)) StaleRequests.Find(messages, time.GetUtcNow(), reasons);

        var visible = new List<InboxMessage>(Math.Min(limit, reasons.Length));
        var (others, lookedAt) = (0, 0);
        for (var i = 0; i < reasons.Length; i++)
        {
            if (reasons[i] != HiddenReason.None || ++others > limit) continue;
            visible.Add(messages[i]);
            lookedAt = i + 1;
        }

        if (visible.Count == messages.Count) return (page, messages[^1].Position);

        // What is behind the limit is read again.
        if (others <= limit) lookedAt = reasons.Length;
        Tell(device, reasons.AsSpan(0, lookedAt));
        var upTo = messages[lookedAt - 1].Position;
        return (new InboxPage(visible, page.HasMore || visible.Count < others, page), upTo);
    }

    /// <summary>Since when messages have waited for too long; null when they wait for as long as it takes.</summary>
    private DateTimeOffset? ExpiredBefore() => options.Value.MessageExpiry is { } expiry ? time.GetUtcNow() - expiry : null;

    private bool HasExpired(InboxPage page)
    {
        if (ExpiredBefore() is not { } expired) return false;

        foreach (var message in page.Messages)
            if (message.CommittedAt < expired) return true;
        return false;
    }

    private bool HasRequests(InboxPage page)
    {
        if (!options.Value.DropStaleRequests) return false;

        foreach (var message in page.Messages)
            if (StaleRequests.MayBe(message.EventType)) return true;
        return false;
    }

    private static HiddenReason ReasonOf(in InboxMessage message, DeviceAddress device, IReadOnlySet<string> ignoredUsers, DateTimeOffset? expired)
    {
        if (message.Sender != device.UserId && ignoredUsers.Contains(message.Sender)) return HiddenReason.Ignored;
        return message.CommittedAt < expired ? HiddenReason.Expired : HiddenReason.None;
    }

    private void Tell(DeviceAddress device, ReadOnlySpan<HiddenReason> reasons)
    {
        var ofIgnored = reasons.Count(HiddenReason.Ignored);
        metrics.Ignored(ofIgnored);
        if (ofIgnored > 0) Log.Ignored(logger, ofIgnored, device.UserId, device.DeviceId);
        TellDropped(device, DropReason.Expired, reasons.Count(HiddenReason.Expired));
        TellDropped(device, DropReason.Cancelled, reasons.Count(HiddenReason.Cancelled));
        TellDropped(device, DropReason.Stale, reasons.Count(HiddenReason.Stale));
    }

    private void TellDropped(DeviceAddress device, string reason, int messages)
    {
        if (messages == 0) return;
        metrics.Dropped(reason, messages);
        Log.Dropped(logger, messages, reason);
        Log.DroppedFor(logger, messages, reason, device.UserId, device.DeviceId);
    }
}

/// <summary>Why a message is not handed out.</summary>
internal enum HiddenReason
{
    /// <summary>It is.</summary>
    None,

    /// <summary>The device's user ignores its sender.</summary>
    Ignored,

    /// <summary>It has waited for longer than <see cref="SendToDeviceOptions.MessageExpiry"/>.</summary>
    Expired,

    /// <summary>A request that is cancelled, or what cancels it.</summary>
    Cancelled,

    /// <summary>A request that is too old, or was made again.</summary>
    Stale,
}
