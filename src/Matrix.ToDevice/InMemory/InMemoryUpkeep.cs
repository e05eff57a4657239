namespace Matrix.ToDevice;

/// <summary>What operators ask of the store. It looks at some inboxes at a time, so that nobody waits long for the store's lock.</summary>
internal sealed class InMemoryUpkeep(Lock storeLock, InMemoryInboxes inboxes, InMemoryOutbox outbox)
{
    private const int AtOnce = 1024;

    private readonly Dictionary<string, DateTimeOffset> _taken = [];

    public StoreStatistics Measure()
    {
        OutboxStatistics working, failing;
        lock (storeLock) (working, failing) = outbox.Measure();
        var found = new StoreStatistics(0, 0, 0, null, working, failing);
        ForEach(inbox =>
        {
            if (inbox.Count == 0) return true;
            var oldest = inbox[0].Send.CommittedAt;
            found = found with
            {
                Messages = found.Messages + inbox.Count,
                Inboxes = found.Inboxes + 1,
                LargestInbox = Math.Max(found.LargestInbox, inbox.Count),
                OldestMessage = found.OldestMessage < oldest ? found.OldestMessage : oldest,
            };
            return true;
        });
        return found;
    }

    public InboxSize[] Measure(IReadOnlyList<DeviceAddress> devices, InboxSize upTo)
    {
        var sizes = new InboxSize[devices.Count];
        lock (storeLock)
        {
            for (var i = 0; i < sizes.Length; i++)
            {
                if (!inboxes.TryGetValue(devices[i], out var inbox)) continue;
                sizes[i] = new InboxSize(inbox.Count, inbox.Count >= upTo.Messages || upTo.Bytes == 0 ? 0 : inbox.CountBytes());
            }
        }

        return sizes;
    }

    public int Expire(DateTimeOffset committedBefore, int atMost)
    {
        var expired = 0;
        // One message of an inbox at a time: the next step comes to it again.
        ForEach(inbox =>
        {
            if (expired == atMost || inbox.Count == 0 || inbox[0].Send.CommittedAt >= committedBefore) return true;
            inboxes.RemoveFirst(inbox, 1);
            expired++;
            return false;
        });
        return expired;
    }

    public bool TryTake(string task, TimeSpan interval, DateTimeOffset now)
    {
        lock (storeLock)
        {
            // Also when it was taken at a time that is still to come: the clock was set back.
            if (_taken.TryGetValue(task, out var last) && now - last < interval && last - now <= interval) return false;
            _taken[task] = now;
            return true;
        }
    }

    /// <summary>
    /// From the last inbox to the first: when one is removed meanwhile, the last one takes its place, which has been looked at. What
    /// is done with one returns false to be done again.
    /// </summary>
    private void ForEach(Func<InMemoryInbox, bool> visit)
    {
        for (var index = int.MaxValue; index > 0;)
        {
            lock (storeLock)
            {
                index = Math.Min(index, inboxes.Count);
                for (var step = 0; step < AtOnce && index > 0; step++)
                    if (visit(inboxes[index - 1])) index--;
            }
        }
    }
}
