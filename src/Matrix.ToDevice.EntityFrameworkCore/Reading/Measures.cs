using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice;

/// <summary>
/// Counts what waits, without contents. Numbers in an inbox have no gaps: the oldest message and the device's counter tell how many there are. Added
/// up here: not all databases add up what they have to look for in another table.
/// </summary>
internal sealed class Measures(Database database)
{
    /// <inheritdoc cref="IStoreUpkeep.MeasureAsync(CancellationToken)"/>
    public ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken) => database.ReadAsync(async (db, cancellation) =>
    {
        var inboxes = await db.Set<DeviceRow>().Where(device => device.LastSequence > 0).Select(device => new
        {
            device.LastSequence,
            First = db.Set<MessageRow>().Where(message => message.Device == device.Key).Min(message => (long?)message.Sequence),
            CommittedAt = db.Set<MessageRow>().Where(message => message.Device == device.Key).OrderBy(message => message.Sequence)
                .Select(message => (long?)message.CommittedAt).FirstOrDefault(),
        }).ToListAsync(cancellation);
        var counts = inboxes.Where(inbox => inbox.First is not null).Select(inbox => inbox.LastSequence - inbox.First!.Value + 1).ToList();
        return new StoreStatistics(
            counts.Sum(), counts.Count, counts.DefaultIfEmpty().Max(), inboxes.Min(inbox => InboxReader.ToTime(inbox.CommittedAt ?? 0)),
            await MeasureEdusAsync(db, db.Set<DestinationRow>().Where(destination => destination.Failures == 0), cancellation),
            await MeasureEdusAsync(db, db.Set<DestinationRow>().Where(destination => destination.Failures > 0), cancellation));
    }, cancellationToken);

    /// <inheritdoc cref="IStoreUpkeep.MeasureAsync(IReadOnlyList{DeviceAddress}, InboxSize, CancellationToken)"/>
    public ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(
        IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken)
    {
        var keys = devices.Select(StoredKey.Of).ToList();
        return database.ReadAsync<IReadOnlyList<InboxSize>>(async (db, cancellation) =>
        {
            var sizes = new Dictionary<UInt128, InboxSize>();
            foreach (var chunk in keys.Distinct().Chunk(DeviceRows.Chunk))
            {
                var some = Array.ConvertAll(chunk, StoredKey.ToBytes);
                var counted = await db.Set<DeviceRow>().Where(device => some.Contains(device.Key)).Select(device => new
                {
                    device.Key,
                    device.LastSequence,
                    First = db.Set<MessageRow>().Where(message => message.Device == device.Key).Min(message => (long?)message.Sequence),
                }).ToListAsync(cancellation);
                foreach (var inbox in counted)
                    sizes[StoredKey.FromBytes(inbox.Key)] = inbox.First is { } first ? new InboxSize(inbox.LastSequence - first + 1, 0) : default;

                // Lengths cost a look at each row: they are left out where there are messages enough without, or nobody wants to know them.
                if (upTo.Bytes == 0) continue;
                some = [.. chunk.Where(key => sizes.GetValueOrDefault(key) is { Messages: > 0 } size && size.Messages < upTo.Messages).Select(StoredKey.ToBytes)];
                if (some.Length == 0) continue;
                var measured = await db.Set<MessageRow>().Where(message => some.Contains(message.Device)).GroupBy(message => message.Device)
                    .Select(inbox => new { inbox.Key, Bytes = inbox.Sum(message => message.Bytes - message.Sender.Length - message.EventType.Length) })
                    .ToListAsync(cancellation);
                foreach (var inbox in measured) sizes[StoredKey.FromBytes(inbox.Key)] = sizes[StoredKey.FromBytes(inbox.Key)] with { Bytes = inbox.Bytes };
            }

            return keys.ConvertAll(sizes.GetValueOrDefault);
        }, cancellationToken);
    }

    /// <inheritdoc cref="IStoreUpkeep.IsCommittedAsync"/>
    public ValueTask<bool> IsCommittedAsync(TransactionKey key, CancellationToken cancellationToken)
    {
        var (sender, fingerprint) = (StoredKey.ToBytes(StoredKey.OfSender(key)), StoredKey.ToBytes(key.Fingerprint()));
        return database.ReadAsync(
            (db, cancellation) => db.Set<TransactionRow>().AnyAsync(record => record.Device == sender && record.Key == fingerprint, cancellation), cancellationToken);
    }

    private static async Task<OutboxStatistics> MeasureEdusAsync(DbContext db, IQueryable<DestinationRow> destinations, CancellationToken cancellationToken)
    {
        var found = await destinations.Select(destination => new
        {
            Edus = db.Set<EduRow>().Count(edu => edu.Destination == destination.Destination),
            CommittedAt = db.Set<EduRow>().Where(edu => edu.Destination == destination.Destination).OrderBy(edu => edu.Position)
                .Select(edu => (long?)edu.CommittedAt).FirstOrDefault(),
        }).ToListAsync(cancellationToken);
        found.RemoveAll(destination => destination.Edus == 0);
        return new OutboxStatistics(found.Count, found.Sum(destination => (long)destination.Edus), found.Min(destination => InboxReader.ToTime(destination.CommittedAt ?? 0)));
    }
}
