namespace Matrix.ToDevice;

/// <summary>What a device sees of its inbox: everything but the messages of users whom its user ignores (R60).</summary>
internal sealed class VisibleInbox(IDeviceInbox inbox, IgnoredSenders ignored, SendToDeviceOptions options)
{
    // However fast an ignored user sends: an answer has an end.
    private const int MaxPages = 100;

    /// <summary>
    /// Reads the oldest messages. Those of ignored users in front of them go with their acknowledgement; a page that has no others is
    /// deleted at once, and the next one is read. So an empty page has no more behind it, unless <see cref="MaxPages"/> were.
    /// </summary>
    public async ValueTask<InboxPage> ReadAsync(DeviceAddress device, int limit, int maxBytes, CancellationToken cancellationToken)
    {
        IReadOnlySet<string>? list = null;
        for (var pages = 1; ; pages++)
        {
            // Who waits for one message does not pay a read and a deletion for each that is in front of it.
            var page = list is null
                ? await inbox.ReadAsync(device, InboxPosition.Start, limit, maxBytes, cancellationToken)
                : await inbox.ReadAsync(
                    device, InboxPosition.Start, Math.Max(limit, options.SyncLimit), Math.Max(maxBytes, options.SyncMaxBytes), cancellationToken);
            if (page.Messages.Count == 0 || (list is null && !ignored.Concern(device, page))) return page;

            try
            {
                list ??= await ignored.FindAsync(device, cancellationToken);
                var last = page.Messages[^1].Position;
                page = ignored.Take(page, device, list, limit);
                if (page.Messages.Count > 0) return page;

                // It was read from the start: this deletes what was looked at, and nothing else (D11).
                await inbox.AcknowledgeAsync(device, last, cancellationToken);
            }
            catch
            {
                page.Dispose();
                throw;
            }

            page.Dispose();
            if (!page.HasMore || pages == MaxPages) return new InboxPage([], page.HasMore);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }
}
