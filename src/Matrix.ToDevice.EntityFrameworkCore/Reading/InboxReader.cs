using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice;

/// <summary>What is read of inboxes: pages.</summary>
internal sealed class InboxReader(Database database)
{
    /// <inheritdoc cref="IDeviceInbox.ReadAsync"/>
    public ValueTask<InboxPage> ReadPageAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken)
    {
        var key = StoredKey.ToBytes(StoredKey.Of(device));
        return database.ReadAsync(async (db, cancellation) =>
        {
            while (true)
            {
                // Measured before it is read: drivers fetch what a statement finds, whether it is wanted or not. One message more
                // than asked for tells whether there are more.
                var sizes = await Behind(db, key, after).Take(Math.Min(limit, int.MaxValue - 1) + 1)
                    .Select(row => new { row.Sequence, row.Bytes }).ToListAsync(cancellation);
                if (sizes.Count == 0) return InboxPage.Empty;

                var bytes = 0L;
                var count = sizes.TakeWhile((size, place) => place < limit && ((bytes += size.Bytes) <= maxBytes || place == 0)).Count();
                var last = sizes[count - 1].Sequence;
                // One statement, so of one moment. What was measured may be acknowledged by now.
                var rows = await Behind(db, key, after).Where(row => row.Sequence <= last).Take(count).AsNoTracking().ToListAsync(cancellation);
                if (rows.Count > 0) return new InboxPage(rows.ConvertAll(ToMessage), hasMore: count < sizes.Count);
            }
        }, cancellationToken);
    }

    /// <summary>A time as the tables have it; null: nobody knows.</summary>
    public static DateTimeOffset? ToTime(long ticks) => ticks == 0 ? null : new DateTimeOffset(ticks, TimeSpan.Zero);

    private static IQueryable<MessageRow> Behind(DbContext db, byte[] key, InboxPosition after) =>
        db.Set<MessageRow>().Where(row => row.Device == key && row.Sequence > after.Sequence).OrderBy(row => row.Sequence);

    private static InboxMessage ToMessage(MessageRow row) => new(
        new InboxPosition(row.Sequence, row.SendId), StoredText.FromBytes(row.Sender), StoredText.FromBytes(row.EventType), row.Content)
    {
        CommittedAt = ToTime(row.CommittedAt),
    };
}
