namespace Matrix.ToDevice;

/// <summary>What a device sees of its inbox: everything but what <see cref="HiddenMessages"/> takes out.</summary>
internal sealed class VisibleInbox(IDeviceInbox inbox, HiddenMessages hidden, CurrentOptions options)
{
    // However fast an ignored user sends: an answer has an end.
    private const int MaxPages = 100;

    /// <summary>
    /// Reads the oldest messages, and tells up to where they go. Hidden ones in front of them go with their acknowledgement; a page that has
    /// no others is deleted at once, and the next one is read. So an empty page has no more behind it, unless <see cref="MaxPages"/> were.
    /// </summary>
    public async ValueTask<(InboxPage Page, InboxPosition UpTo)> ReadAsync(
        DeviceAddress device, int limit, int maxBytes, CancellationToken cancellationToken)
    {
        var (most, mostBytes) = (Math.Max(limit, options.Value.SyncLimit), Math.Max(maxBytes, options.Value.SyncMaxBytes));
        IReadOnlySet<string>? list = null;
        var isWhole = false;
        for (var pages = 1; ; pages++)
        {
            // Who waits for one message does not pay a read and a deletion for each that is in front of it.
            var page = isWhole
                ? await inbox.ReadAsync(device, InboxPosition.Start, most, mostBytes, cancellationToken)
                : await inbox.ReadAsync(device, InboxPosition.Start, limit, maxBytes, cancellationToken);
            if (page.Messages.Count == 0) return (page, default);
            if (!isWhole && !hidden.Concern(device, page)) return (page, page.Messages[^1].Position);

            // It would be found that there is one, and then, with what stands behind it, that there is none.
            var isTooShort = !isWhole && (limit < most || maxBytes < mostBytes) && hidden.DependOnMore(page);
            isWhole = true;
            if (isTooShort)
            {
                page.Dispose();
                continue;
            }

            try
            {
                list = await hidden.FindIgnoredAsync(device, page, list, cancellationToken);
                (page, var upTo) = hidden.Take(page, device, list, limit);
                if (page.Messages.Count > 0) return (page, upTo);

                // It was read from the start: this deletes what was looked at, and nothing else (D11).
                await inbox.AcknowledgeAsync(device, upTo, cancellationToken);
            }
            catch
            {
                page.Dispose();
                throw;
            }

            page.Dispose();
            if (!page.HasMore || pages == MaxPages) return (new InboxPage([], page.HasMore), default);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }
}
