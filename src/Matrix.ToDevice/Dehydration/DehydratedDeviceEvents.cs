using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>
/// The messages of a user's dehydrated device, for whichever of the user's devices rehydrates it (MSC3814). What
/// <c>MapDehydratedDeviceEvents()</c> calls, and a host with an endpoint of its own.
/// </summary>
public class DehydratedDeviceEvents
{
    // However much ignored users have sent: an answer has an end.
    private const int MaxPages = 100;

    private readonly CountedInbox _inbox = null!;
    private readonly IDehydratedDevices _devices = null!;
    private readonly HiddenMessages _hidden = null!;
    private readonly ToDeviceMetrics _metrics = null!;
    private readonly CurrentOptions _current = null!;
    private readonly QuietLogger<DehydratedDeviceEvents> _logger = null!;

    /// <summary>For a class that stands in its place in a host's own tests, and overrides what they call.</summary>
    protected DehydratedDeviceEvents()
    {
    }

    internal DehydratedDeviceEvents(
        IDeviceInbox inbox, IDehydratedDevices devices, HiddenMessages hidden, ToDeviceMetrics metrics,
        CurrentOptions options, QuietLogger<DehydratedDeviceEvents> logger)
    {
        _inbox = new CountedInbox(inbox, metrics);
        _devices = devices;
        _hidden = hidden;
        _metrics = metrics;
        _current = options;
        _logger = logger;
    }

    /// <summary>
    /// Reads the oldest messages, or those behind a batch of before. Deletes nothing (R111): the messages go when the host ends the
    /// device with <see cref="ToDeviceSync.RemoveDeviceAsync"/>.
    /// </summary>
    /// <param name="userId">The full user ID of the requester.</param>
    /// <param name="deviceId">The device whose messages are asked for.</param>
    /// <param name="from">
    /// The <see cref="ToDeviceBatch.NextBatch"/> of an earlier batch; null or empty to begin. When its last message is not in the inbox
    /// any more, because the store was restored from a backup, it begins again: a message can come twice, and none is skipped (D11).
    /// </param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>
    /// A batch of at most <see cref="SendToDeviceOptions.SyncLimit"/> messages and <see cref="SendToDeviceOptions.SyncMaxBytes"/>
    /// bytes. While it is <see cref="ToDeviceBatch.Limited"/>, there are more (R110): also when it is empty, because what was looked at
    /// is all of ignored users.
    /// </returns>
    /// <exception cref="ToDeviceErrorException">
    /// 403 <c>M_FORBIDDEN</c>: it is not the user's dehydrated device (R112). 400 <c>M_INVALID_PARAM</c>: <paramref name="from"/> is
    /// not a token of this device.
    /// </exception>
    public virtual async ValueTask<ToDeviceBatch> ReadAsync(
        string userId, string deviceId, string? from, CancellationToken cancellationToken)
    {
        if (await _devices.FindAsync(userId, cancellationToken) is not { } dehydrated || dehydrated != deviceId)
            throw new ToDeviceErrorException(new ToDeviceError(403, "M_FORBIDDEN", "This is not your dehydrated device"));

        var device = new DeviceAddress(userId, deviceId);
        var (page, position) = await ReadVisibleAsync(device, PositionOf(device, from), cancellationToken);
        if (page.Messages.Count > 0)
        {
            _metrics.HandedOut(page.Messages.Count);
            MessageTrace.HandedOut(_logger, page.Messages);
        }

        return new ToDeviceBatch(page, SyncToken.Format(device, position));
    }

    private static InboxPosition PositionOf(DeviceAddress device, string? from)
    {
        if (string.IsNullOrEmpty(from)) return InboxPosition.Start;
        return SyncToken.TryParse(from, device, out var position)
            ? position
            : throw new ToDeviceErrorException(ToDeviceError.InvalidParam("from is not a token of this device"));
    }

    private SendToDeviceOptions Options => _current.Value;

    // A page of hidden messages alone is passed over. Not deleted, as nothing is here; but behind it.
    private async ValueTask<(InboxPage Page, InboxPosition UpTo)> ReadVisibleAsync(
        DeviceAddress device, InboxPosition from, CancellationToken cancellationToken)
    {
        IReadOnlySet<string>? list = null;
        for (var pages = 1; ; pages++)
        {
            (var page, from) = await ReadAsync(device, from, cancellationToken);
            if (!_hidden.Concern(device, page)) return (page, page.Messages.Count > 0 ? page.Messages[^1].Position : from);

            try
            {
                list = await _hidden.FindIgnoredAsync(device, page, list, cancellationToken);
                (page, from) = _hidden.Take(page, device, list, Options.SyncLimit);
                if (page.Messages.Count > 0) return (page, from);
            }
            catch
            {
                page.Dispose();
                throw;
            }

            page.Dispose();
            if (!page.HasMore || pages == MaxPages) return (new InboxPage([], page.HasMore), from);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private async ValueTask<(InboxPage Page, InboxPosition From)> ReadAsync(
        DeviceAddress device, InboxPosition from, CancellationToken cancellationToken)
    {
        if (from.Sequence > 0)
        {
            // With the message that it names, which nobody deletes as long as there is the device. Is it another one or none, the
            // store has forgotten the one that was meant, and what comes behind the number is not what the client has not seen (D11).
            var before = new InboxPosition(from.Sequence - 1, 0);
            var limit = Math.Min(Options.SyncLimit, int.MaxValue - 1) + 1;
            var page = await _inbox.ReadAsync(device, before, limit, Options.SyncMaxBytes, cancellationToken);
            if (IsFirst(page, from) && page.Messages.Count == 1 && page.HasMore)
            {
                // It has filled the page: once more, with room for the next one, however large that is.
                page.Dispose();
                page = await _inbox.ReadAsync(device, before, 2, int.MaxValue, cancellationToken);
            }

            if (IsFirst(page, from)) return (WithoutFirst(page), from);
            page.Dispose();
        }

        return (
            await _inbox.ReadAsync(device, InboxPosition.Start, Options.SyncLimit, Options.SyncMaxBytes, cancellationToken),
            InboxPosition.Start);
    }

    private static bool IsFirst(InboxPage page, InboxPosition position) =>
        page.Messages.Count > 0 && page.Messages[0].Position == position;

    private static InboxPage WithoutFirst(InboxPage page) => new([.. page.Messages.Skip(1)], page.HasMore, page);
}
