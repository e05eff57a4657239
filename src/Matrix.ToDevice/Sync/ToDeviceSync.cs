using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>What a homeserver calls: in its <c>/sync</c> and its sliding sync, and when a device ends.</summary>
public class ToDeviceSync
{
    // While every commit is signalled, a wait looks so many times less often: for what a host has committed just before it died.
    private const int RarelyLooks = 6;
    private static readonly TimeSpan s_rarely = TimeSpan.FromMinutes(1);

    // The limit of a wait that no message ends, only its time or the end of the device.
    private const int NoMessages = 0;

    private static readonly (InboxPage Page, InboxPosition UpTo) s_nothing = (InboxPage.Empty, default);

    private readonly IDeviceInbox _inbox = null!;
    private readonly VisibleInbox _visible = null!;
    private readonly InboxSignals _signals = null!;
    private readonly EmptyInboxes _empty = null!;
    private readonly ToDeviceMetrics _metrics = null!;
    private readonly ToDeviceTraces _traces = null!;
    private readonly CurrentOptions _current = null!;
    private readonly TimeProvider _time = null!;
    private readonly QuietLogger<ToDeviceSync> _logger = null!;

    /// <summary>For a class that stands in its place in a host's own tests, and overrides what they call.</summary>
    protected ToDeviceSync()
    {
    }

    internal ToDeviceSync(
        IDeviceInbox inbox, HiddenMessages hidden, InboxSignals signals, EmptyInboxes empty, ToDeviceMetrics metrics, ToDeviceTraces traces,
        CurrentOptions options, TimeProvider time, QuietLogger<ToDeviceSync> logger)
    {
        _inbox = new CountedInbox(inbox, metrics);
        _signals = signals;
        _empty = empty;
        _metrics = metrics;
        _traces = traces;
        _current = options;
        _visible = new VisibleInbox(_inbox, hidden, options);
        _time = time;
        _logger = logger;
    }

    private SendToDeviceOptions Options => _current.Value;

    /// <inheritdoc cref="NextAsync(DeviceAddress, string?, int, TimeSpan, CancellationToken)"/>
    public virtual ValueTask<ToDeviceBatch> NextAsync(
        DeviceAddress device, string? since, TimeSpan timeout, CancellationToken cancellationToken) =>
        NextAsync(device, since, Options.SyncLimit, timeout, cancellationToken);

    /// <summary>
    /// Deletes what the device says it has, and returns the messages that it has not, waiting for one if there is none.
    /// </summary>
    /// <param name="device">The device that syncs.</param>
    /// <param name="since">
    /// The <see cref="ToDeviceBatch.NextBatch"/> of the last response that the device processed: what that response held
    /// is deleted, and nothing else (R52, D11). Null or empty for a first sync, which deletes nothing (R55).
    /// </param>
    /// <param name="limit">
    /// The most messages to return, at least 1. There can be fewer, with more waiting, because of
    /// <see cref="SendToDeviceOptions.SyncMaxBytes"/>.
    /// </param>
    /// <param name="timeout">
    /// How long to wait for a message when there is none (R57); zero or less not at all. Bounded by
    /// <see cref="SendToDeviceOptions.MaxSyncTimeout"/>.
    /// </param>
    /// <param name="cancellationToken">Cancels the call: the client has gone.</param>
    /// <exception cref="ToDeviceErrorException">
    /// 400 <c>M_INVALID_PARAM</c>: <paramref name="since"/> is not a token of this device (D11).
    /// </exception>
    public virtual async ValueTask<ToDeviceBatch> NextAsync(
        DeviceAddress device, string? since, int limit, TimeSpan timeout, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);

        var position = Parse(device, since);
        var (page, upTo) = await ReadOrWaitAsync(device, position, limit, Options.SyncMaxBytes, timeout, cancellationToken);
        if (page.Messages.Count > 0)
        {
            position = upTo;
            _metrics.HandedOut(device, page.Messages);
            _traces.HandedOut(page.Messages);
            MessageTrace.HandedOut(_logger, page.Messages);
        }

        // A device that has got nothing goes on where it was.
        return new ToDeviceBatch(page, page.Messages.Count == 0 && !string.IsNullOrEmpty(since) ? since : SyncToken.Format(device, position));
    }

    /// <summary>
    /// Answers the <c>to_device</c> extension of a sliding sync: as
    /// <see cref="NextAsync(DeviceAddress, string?, int, TimeSpan, CancellationToken)"/>, with what the client asked for. Write the
    /// result with <see cref="ToDeviceBatch.WriteExtensionTo"/>; when it is empty, the response needs no section (R121).
    /// </summary>
    /// <param name="device">The device that syncs.</param>
    /// <param name="request">The extension's part of the request. When it is not enabled, nothing is acknowledged and the result is empty.</param>
    /// <param name="timeout">How long to wait for a message when there is none (R124); zero or less not at all. Bounded as there.</param>
    /// <param name="cancellationToken">Cancels the call: the client has gone.</param>
    /// <exception cref="ToDeviceErrorException">
    /// 400 <c>M_INVALID_PARAM</c>: <see cref="ToDeviceExtensionRequest.Since"/> is not a token of this device (R122).
    /// </exception>
    public virtual async ValueTask<ToDeviceBatch> NextAsync(
        DeviceAddress device, ToDeviceExtensionRequest request, TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (request.IsEnabled)
            return await NextAsync(device, request.Since, Math.Min(request.Limit, Options.SyncLimit), timeout, cancellationToken);

        // A token that acknowledges nothing: a host that writes it all the same loses no message.
        var (page, _) = await ReadOrWaitAsync(device, InboxPosition.Start, NoMessages, maxBytes: 1, timeout, cancellationToken);
        return new ToDeviceBatch(page, SyncToken.Format(device, InboxPosition.Start));
    }

    /// <summary>
    /// Waits until the device has messages that it does not say it has, for a host whose <c>/sync</c> waits for other things too: wait
    /// for whichever comes first, cancel the others, then call
    /// <see cref="NextAsync(DeviceAddress, string?, TimeSpan, CancellationToken)"/> with the same <paramref name="since"/> and without
    /// a timeout.
    /// </summary>
    /// <param name="device">The device that syncs.</param>
    /// <param name="since">As for that call, and what it names is deleted as there.</param>
    /// <param name="timeout">How long to wait; bounded by <see cref="SendToDeviceOptions.MaxSyncTimeout"/>.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>True as soon as there are messages; false when there were none in time, or the device was removed.</returns>
    /// <exception cref="ToDeviceErrorException">
    /// 400 <c>M_INVALID_PARAM</c>: <paramref name="since"/> is not a token of this device (D11).
    /// </exception>
    public virtual async ValueTask<bool> WaitAsync(DeviceAddress device, string? since, TimeSpan timeout, CancellationToken cancellationToken)
    {
        // Whether there is a message, not what it holds: no more of it is read than has to be.
        var (found, _) = await ReadOrWaitAsync(device, Parse(device, since), limit: 1, maxBytes: 1, timeout, cancellationToken);
        using var page = found;
        return page.Messages.Count > 0;
    }

    /// <summary>
    /// The same for the <c>to_device</c> extension of a sliding sync (R124), whose host waits for its rooms too: then it calls
    /// <see cref="NextAsync(DeviceAddress, ToDeviceExtensionRequest, TimeSpan, CancellationToken)"/> without a timeout.
    /// </summary>
    /// <param name="device">The device that syncs.</param>
    /// <param name="request">As for that call. When it is not enabled, no message ends the wait.</param>
    /// <param name="timeout">How long to wait; bounded by <see cref="SendToDeviceOptions.MaxSyncTimeout"/>.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>True as soon as there are messages; false when there were none in time, or the device was removed.</returns>
    /// <exception cref="ToDeviceErrorException">As for that call.</exception>
    public virtual async ValueTask<bool> WaitAsync(
        DeviceAddress device, ToDeviceExtensionRequest request, TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (request.IsEnabled) return await WaitAsync(device, request.Since, timeout, cancellationToken);

        // It takes its time: whoever waits for the first of several things would end at once, and be asked again at once.
        var (page, _) = await ReadOrWaitAsync(device, InboxPosition.Start, NoMessages, maxBytes: 1, timeout, cancellationToken);
        page.Dispose();
        return false;
    }

    /// <summary>
    /// Ends a device: its messages and transaction records go, its tokens are void, and its waiting syncs return (D6).
    /// </summary>
    /// <remarks>
    /// Call it after the device is gone from the host's own list, on logout and on deletion (R70). A host that can crash
    /// between the two calls it also before it creates a device with an ID that it does not know: harmless then.
    /// </remarks>
    public virtual async ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken)
    {
        await _inbox.RemoveDeviceAsync(device, cancellationToken);
        _signals.DeviceRemoved(device);
        _metrics.DeviceRemoved(device);
    }

    /// <summary>
    /// Ends several devices of a user: all of them on a deactivation, all but one on a change of password (R70).
    /// <see cref="RemoveDeviceAsync"/> for each; when it fails, call it again.
    /// </summary>
    /// <param name="userId">The user.</param>
    /// <param name="deviceIds">The devices that are gone from the host's own list.</param>
    /// <param name="cancellationToken">Cancels the call between two devices.</param>
    public virtual async ValueTask RemoveDevicesAsync(string userId, IEnumerable<string> deviceIds, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(deviceIds);

        foreach (var deviceId in deviceIds) await RemoveDeviceAsync(new DeviceAddress(userId, deviceId), cancellationToken);
    }

    /// <summary>Up to where the device says that it has its messages.</summary>
    private static InboxPosition Parse(DeviceAddress device, string? since)
    {
        if (string.IsNullOrEmpty(since)) return InboxPosition.Start;
        return SyncToken.TryParse(since, device, out var position)
            ? position
            : throw new ToDeviceErrorException(ToDeviceError.InvalidParam("since is not a token of this device"));
    }

    /// <summary>What there is for the device, and up to where it goes.</summary>
    private async ValueTask<(InboxPage Page, InboxPosition UpTo)> ReadOrWaitAsync(
        DeviceAddress device, InboxPosition has, int limit, int maxBytes, TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (timeout <= TimeSpan.Zero) return await ReadAsync(device, has, isDeleted: false, limit, maxBytes, cancellationToken) ?? s_nothing;

        if (timeout > Options.MaxSyncTimeout) timeout = Options.MaxSyncTimeout;
        var started = _time.GetTimestamp();
        using var subscription = _signals.Subscribe(device);
        using var waiting = _metrics.Waiting();
        var isDeleted = false;
        Task? waitedFor = null;
        while (!subscription.IsDeviceRemoved)
        {
            // The signal is taken before the read, so that a message that arrives between the two ends the wait (D13).
            var signal = subscription.NextSignal;
            var found = await ReadAsync(device, has, isDeleted, limit, maxBytes, cancellationToken);
            isDeleted = isDeleted || found is not null || _empty.WasEmptyWithout(device, has);
            var (page, upTo) = found ?? s_nothing;
            if (subscription.IsDeviceRemoved)
            {
                // What is there now is for a later device of this ID (D6).
                page.Dispose();
                break;
            }

            var remaining = timeout - _time.GetElapsedTime(started);
            if (page.Messages.Count > 0 || remaining <= TimeSpan.Zero)
            {
                if (waitedFor is not null && page.Messages.Count > 0) _metrics.WokenUp(waitedFor.IsCompleted || signal.IsCompleted);
                return (page, upTo);
            }

            // So much is hidden that it is not all looked at yet.
            if (page.HasMore) continue;

            // A signal can be lost, when it comes from another host: then the look after the interval finds the message. Whoever wants
            // none does not look: what was found once stays as old as it is.
            var isTold = _inbox.SignalsEveryCommit;
            var untilLook = !isTold ? Options.SyncPollInterval
                : limit == NoMessages ? LooksEvery : LooksEvery - (_empty.EmptyFor(device) ?? TimeSpan.Zero);
            if (untilLook <= TimeSpan.Zero) continue;

            var isLast = remaining <= untilLook;
            // Timers count milliseconds: what is left of one would not be waited for, but read through.
            var wait = TimeSpan.FromMilliseconds(Math.Ceiling((isLast ? remaining : untilLook).TotalMilliseconds));
            waitedFor = signal;
            await signal.WaitAsync(wait, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();

            // Nothing has come in all that time, and it would have been told (D25).
            if (isTold && isLast && !signal.IsCompleted && _inbox.SignalsEveryCommit) break;
        }

        return s_nothing;
    }

    /// <summary>Deletes what the device says it has, and reads what it has not; null, and neither, when it is known that there is nothing.</summary>
    private async ValueTask<(InboxPage Page, InboxPosition UpTo)?> ReadAsync(
        DeviceAddress device, InboxPosition has, bool isDeleted, int limit, int maxBytes, CancellationToken cancellationToken)
    {
        if (limit == NoMessages || EmptyFor(device) is not null) return null;

        // Nothing is read without that: what this host is told of late, the device may have got from another one, and would get again.
        if (has.Sequence > 0 && !isDeleted) _metrics.Acknowledged(await _inbox.AcknowledgeAsync(device, has, cancellationToken));

        var look = _inbox.SignalsEveryCommit ? _empty.Begin(device) : null;
        // Always from the start: what the device has is deleted, so the start is the first message that it has not. A
        // token that named a place to read from could skip messages when it lies ahead of the store (D11).
        var (page, upTo) = await _visible.ReadAsync(device, limit, maxBytes, cancellationToken);
        if (look is not null && page.Messages.Count == 0 && !page.HasMore) _empty.Remember(look, has);
        return (page, upTo);
    }

    /// <summary>How long ago the inbox was found empty, if nothing can have come since without this host being told (D25).</summary>
    private TimeSpan? EmptyFor(DeviceAddress device) =>
        _inbox.SignalsEveryCommit && _empty.EmptyFor(device) is { } age && age < LooksEvery ? age : null;

    // Not for longer than a minute, unless that is the interval: who has raised it has not asked for six times as much.
    private TimeSpan LooksEvery => Options.SyncPollInterval switch
    {
        var interval when interval <= s_rarely / RarelyLooks => RarelyLooks * interval,
        var interval when interval <= s_rarely => s_rarely,
        var interval => interval,
    };
}
