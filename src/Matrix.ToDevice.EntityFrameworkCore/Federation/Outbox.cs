using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice;

/// <summary>The EDUs that wait for other servers: read and removed here, added by the commits.</summary>
internal sealed class Outbox(Database database)
{
    /// <inheritdoc cref="IFederationOutbox.ReadAsync"/>
    public async ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken)
    {
        var stored = StoredText.Destination(destination);
        var rows = await database.ReadAsync(
            (db, cancellation) => db.Set<EduRow>().AsNoTracking().Where(edu => edu.Destination == stored && edu.Position > after)
                .OrderBy(edu => edu.Position).Take(limit).ToListAsync(cancellation),
            cancellationToken);
        return rows.ConvertAll(row => new OutboxEntry(
            row.Position, StoredText.FromBytes(row.MessageId), row.Content, new DateTimeOffset(row.CommittedAt, TimeSpan.Zero)));
    }

    /// <inheritdoc cref="IFederationOutbox.RemoveAsync"/>
    public async ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken)
    {
        var stored = StoredText.Destination(destination);
        var messageIds = new Dictionary<long, string>();
        foreach (var edu in edus) messageIds[edu.Position] = edu.MessageId;
        await database.TransactAsync(async db =>
        {
            // Behind the destination's lock, so that nothing else comes or goes.
            if (!await DestinationRows.LockAsync(db, stored)) return 0;
            foreach (var positions in messageIds.Keys.Order().Chunk(DeviceRows.Chunk))
            {
                var found = await db.Set<EduRow>().Where(edu => edu.Destination == stored && positions.Contains(edu.Position))
                    .Select(edu => new { edu.Position, edu.MessageId }).ToListAsync(CancellationToken.None);
                await db.DeleteAsync([.. found.Where(edu => StoredText.FromBytes(edu.MessageId) == messageIds[edu.Position])
                    .Select(edu => new EduRow { Destination = stored, Position = edu.Position })]);
            }

            await DestinationRows.ForgetIfEmptyAsync(db, stored);
            return 0;
        }, cancellationToken);
    }

    /// <inheritdoc cref="IFederationOutbox.ListDestinationsAsync"/>
    public async ValueTask<IReadOnlyList<string>> ListAsync(string? after, int limit, CancellationToken cancellationToken)
    {
        var stored = StoredText.Destination(after ?? "");
        var destinations = await database.ReadAsync(
            (db, cancellation) => db.Set<DestinationRow>()
                .Where(row => string.Compare(row.Destination, stored) > 0 && db.Set<EduRow>().Any(edu => edu.Destination == row.Destination))
                .OrderBy(row => row.Destination).Take(limit).Select(row => row.Destination).ToListAsync(cancellation),
            cancellationToken);
        return destinations.ConvertAll(StoredText.FromDestination);
    }
}
