using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>Finds out whose inboxes are full, and makes room in them.</summary>
internal sealed class InboxQuota(
    IDeviceInbox inbox, CurrentOptions options, ToDeviceMetrics metrics, TimeProvider time, QuietLogger<InboxQuota> logger,
    IStoreUpkeep? upkeep = null)
{
    // The most that is looked at, and dropped, of one inbox for one send. What is far above its quota goes bit by bit.
    private const int Portion = 100, PortionBytes = 1 << 20;

    private static readonly TimeSpan s_retryAfter = TimeSpan.FromMinutes(1);

    private readonly CountedInbox _inbox = new(inbox, metrics);
    private readonly CountedUpkeep? _upkeep = upkeep is null ? null : new CountedUpkeep(upkeep, metrics);

    /// <summary>What a send is answered for which there is no room.</summary>
    public static ToDeviceError IsFull { get; } = LimitExceeded.Of("Too many messages wait for a device of a recipient", s_retryAfter);

    public bool IsSet => options.Value.Quota.IsSet;

    /// <summary>Tells for which of these messages there is no room; null when there is for all. Old ones go, if the policy is that.</summary>
    public async ValueTask<List<ToDeviceMessage>?> FindFullAsync(IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken)
    {
        if (_upkeep is null || messages.Count == 0) return null;

        var quota = options.Value.Quota;
        var sizes = await MeasureAsync(messages, quota, cancellationToken);
        List<ToDeviceMessage>? full = null;
        var dropped = 0;
        for (var i = 0; i < messages.Count; i++)
        {
            var size = sizes[i];
            if (HasRoom(size, messages[i], quota)) continue;
            if (quota is { Policy: QuotaPolicy.DropOld, MaxAge: { } age })
            {
                (size, var old) = await DropOldAsync(messages[i].Recipient, size, age, cancellationToken);
                dropped += old;
                if (HasRoom(size, messages[i], quota)) continue;
            }

            (full ??= []).Add(messages[i]);
        }

        Dropped(dropped);
        return full;
    }

    /// <summary>
    /// Makes room where there was none, behind the commit: what fails here is made up for by the next send. The newest message stays.
    /// </summary>
    public async ValueTask DropOldestAsync(List<ToDeviceMessage> full)
    {
        try
        {
            var quota = options.Value.Quota;
            var sizes = await MeasureAsync(full, quota, CancellationToken.None);
            var dropped = 0;
            for (var i = 0; i < full.Count; i++) dropped += await DropOldestAsync(full[i], sizes[i], quota);
            Dropped(dropped);
        }
        catch (Exception exception)
        {
            Log.QuotaFailed(logger, exception);
        }
    }

    /// <summary>Leaves out of an EDU what does not fit: its origin would repeat all of it for one inbox that is full.</summary>
    public void LeaveOut(List<ToDeviceMessage> messages, List<ToDeviceMessage> full)
    {
        var devices = full.Select(message => message.Recipient).ToHashSet();
        messages.RemoveAll(message => devices.Contains(message.Recipient));
        foreach (var device in devices) Log.DroppedFor(logger, 1, DropReason.Quota, device.UserId, device.DeviceId);
        Dropped(full.Count);
    }

    private void Dropped(int messages)
    {
        if (messages == 0) return;
        metrics.Dropped(DropReason.Quota, messages);
        Log.Dropped(logger, messages, DropReason.Quota);
    }

    private ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(
        IReadOnlyList<ToDeviceMessage> messages, QuotaOptions quota, CancellationToken cancellationToken)
    {
        var devices = new DeviceAddress[messages.Count];
        for (var i = 0; i < devices.Length; i++) devices[i] = messages[i].Recipient;
        return _upkeep!.MeasureAsync(
            devices,
            new InboxSize(UpTo(quota.MaxMessages, Portion), quota.MaxBytes is null ? 0 : UpTo(quota.MaxBytes, PortionBytes)),
            cancellationToken);

        static long UpTo(long? bound, int more) => bound is { } most && most < long.MaxValue - more ? most + more : long.MaxValue;
    }

    private static bool HasRoom(InboxSize size, in ToDeviceMessage message, QuotaOptions quota) =>
        size.Messages == 0 || !IsAbove(new InboxSize(size.Messages + 1, size.Bytes + message.Content.Length), quota);

    private static bool IsAbove(InboxSize size, QuotaOptions quota) => size.Messages > quota.MaxMessages || size.Bytes > quota.MaxBytes;

    private async ValueTask<(InboxSize Size, int Dropped)> DropOldAsync(
        DeviceAddress device, InboxSize size, TimeSpan age, CancellationToken cancellationToken)
    {
        var before = time.GetUtcNow() - age;
        // The oldest one alone: a send that is refused all the same does not read a page of each inbox that is full.
        using (var oldest = await _inbox.ReadAsync(device, InboxPosition.Start, limit: 1, maxBytes: 1, cancellationToken))
        {
            if (oldest.Messages.Count == 0 || !(oldest.Messages[0].CommittedAt < before)) return (size, 0);
        }

        using var page = await _inbox.ReadAsync(device, InboxPosition.Start, Portion, PortionBytes, cancellationToken);
        var old = 0;
        for (; old < page.Messages.Count && page.Messages[old].CommittedAt < before; old++) size = Without(size, page.Messages[old]);
        return (size, await DropAsync(device, page, old));
    }

    private async ValueTask<int> DropOldestAsync(ToDeviceMessage message, InboxSize size, QuotaOptions quota)
    {
        if (!IsAbove(size, quota)) return 0;

        // Mostly, there is one message too much.
        var limit = size.Bytes > quota.MaxBytes ? Portion : (int)Math.Min(size.Messages - quota.MaxMessages ?? 0, Portion);
        var device = message.Recipient;
        using var page = await _inbox.ReadAsync(device, InboxPosition.Start, limit, PortionBytes, CancellationToken.None);
        // Once more, behind the look at them: the device may have taken what was too much, and these are those that came later.
        size = (await MeasureAsync([message], quota, CancellationToken.None))[0];
        var oldest = 0;
        for (; oldest < page.Messages.Count && size.Messages > 1 && IsAbove(size, quota); oldest++) size = Without(size, page.Messages[oldest]);
        return await DropAsync(device, page, oldest);
    }

    private static InboxSize Without(InboxSize size, in InboxMessage message) => new(size.Messages - 1, size.Bytes - message.Content.Length);

    private async ValueTask<int> DropAsync(DeviceAddress device, InboxPage page, int messages)
    {
        if (messages == 0) return 0;

        // Whoever else has dropped them has counted them.
        var dropped = await _inbox.AcknowledgeAsync(device, page.Messages[messages - 1].Position, CancellationToken.None);
        if (dropped > 0) Log.DroppedFor(logger, dropped, DropReason.Quota, device.UserId, device.DeviceId);
        return dropped;
    }
}
