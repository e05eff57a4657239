using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice;

/// <summary>
/// Who sends to which destination, by the database's clock. A call whose answer was lost is repeated: what it had taken then stays
/// taken until its time has run out.
/// </summary>
internal sealed class Leases(Database database, TimeProvider time)
{
    private const int MostForgotten = 100;

    /// <inheritdoc cref="IFederationOutbox.AcquireAsync"/>
    public async ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken)
    {
        var (now, free, emptied) = await database.ReadAsync(async (db, cancellation) =>
        {
            var now = await DatabaseClock.NowAsync(db, cancellation);
            // A clock that was set back keeps nobody away for longer than it would have.
            var far = now + longestPause.Ticks;
            var untaken = db.Set<DestinationRow>().Where(row => row.TakenUntil <= now || row.TakenUntil > far);
            var waiting = untaken.Where(row => db.Set<EduRow>().Any(edu => edu.Destination == row.Destination));
            var free = await FindAsync(waiting.Where(row => row.Failures == 0), limit);
            var failing = Math.Min(failingLimit, limit - free.Count);
            if (failing > 0) free.AddRange(await FindAsync(waiting.Where(row => row.Failures > 0), failing));
            var emptied = await untaken.AsNoTracking().Where(row => !db.Set<EduRow>().Any(edu => edu.Destination == row.Destination))
                .OrderBy(row => row.Destination).Take(MostForgotten).ToListAsync(cancellation);
            return (now, free, emptied);

            Task<List<DestinationRow>> FindAsync(IQueryable<DestinationRow> rows, int most) => rows.AsNoTracking()
                .OrderBy(row => row.TakenUntil > far ? now : row.TakenUntil).ThenBy(row => row.FreeSince).ThenBy(row => row.Destination)
                .Take(most).ToListAsync(cancellation);
        }, cancellationToken);
        foreach (var row in emptied) await ForgetAsync(row, cancellationToken);
        return await TakeAsync(free, holder, duration, now, cancellationToken);
    }

    /// <inheritdoc cref="IFederationOutbox.AcquireTheseAsync"/>
    public async ValueTask<IReadOnlyList<OutboxLease>> AcquireTheseAsync(
        IReadOnlyList<string> destinations, string holder, TimeSpan duration, CancellationToken cancellationToken)
    {
        var (now, free) = await database.ReadAsync(async (db, cancellation) =>
        {
            var now = await DatabaseClock.NowAsync(db, cancellation);
            List<DestinationRow> free = [];
            // By its key each: not all databases take a list of them.
            foreach (var destination in destinations.Select(StoredText.Destination))
            {
                free.AddRange(await db.Set<DestinationRow>().AsNoTracking()
                    .Where(row => row.Destination == destination && row.Failures == 0 && row.TakenUntil <= now
                        && db.Set<EduRow>().Any(edu => edu.Destination == destination))
                    .ToListAsync(cancellation));
            }

            return (now, free);
        }, cancellationToken);
        return await TakeAsync(free, holder, duration, now, cancellationToken);
    }

    /// <inheritdoc cref="IFederationOutbox.RenewAsync"/>
    public async ValueTask<bool> RenewAsync(
        string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken)
    {
        var (stored, by, since) = (StoredText.Destination(destination), StoredKey.OfHolder(holder), HostTime(duration));
        return await database.TransactAsync(async db =>
        {
            var until = await DatabaseClock.NowAsync(db, CancellationToken.None) + duration.Ticks;
            return await db.Set<DestinationRow>().Where(row => row.Destination == stored && row.Holder == by).ExecuteUpdateAsync(
                rows => rows.SetProperty(row => row.TakenUntil, until).SetProperty(row => row.FreeSince, since)
                    .SetProperty(row => row.SendingUpTo, sendingUpTo).SetProperty(row => row.Turn, row => row.Turn + 1),
                CancellationToken.None) > 0;
        }, cancellationToken);
    }

    /// <inheritdoc cref="IFederationOutbox.ReleaseAsync"/>
    public async ValueTask ReleaseAsync(string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken)
    {
        var (stored, by, since) = (StoredText.Destination(destination), StoredKey.OfHolder(holder), HostTime(pause));
        await database.TransactAsync(async db =>
        {
            var until = await DatabaseClock.NowAsync(db, CancellationToken.None) + pause.Ticks;
            var released = await db.Set<DestinationRow>().Where(row => row.Destination == stored && row.Holder == by).ExecuteUpdateAsync(
                rows => rows.SetProperty(row => row.Holder, (byte[]?)null).SetProperty(row => row.Failures, failures)
                    .SetProperty(row => row.TakenUntil, until).SetProperty(row => row.FreeSince, since).SetProperty(row => row.Turn, row => row.Turn + 1),
                CancellationToken.None);
            if (released > 0) await DestinationRows.ForgetIfEmptyAsync(db, stored);
            return released;
        }, cancellationToken);
    }

    private async ValueTask<IReadOnlyList<OutboxLease>> TakeAsync(
        List<DestinationRow> free, string holder, TimeSpan duration, long now, CancellationToken cancellationToken)
    {
        if (free.Count == 0) return [];

        var (by, until, since) = (StoredKey.OfHolder(holder), now + duration.Ticks, HostTime(duration));
        var taken = await database.TransactAsync(async db =>
        {
            var taken = new HashSet<string>();
            foreach (var row in free.OrderBy(row => row.Destination, StringComparer.Ordinal))
            {
                // As it was when it was found free, or somebody else has taken it meanwhile.
                var updated = await db.Set<DestinationRow>().Where(d => d.Destination == row.Destination && d.Turn == row.Turn).ExecuteUpdateAsync(
                    rows => rows.SetProperty(d => d.Holder, by).SetProperty(d => d.TakenUntil, until).SetProperty(d => d.FreeSince, since)
                        .SetProperty(d => d.Turn, d => d.Turn + 1),
                    CancellationToken.None);
                if (updated > 0) taken.Add(row.Destination);
            }

            return taken;
        }, cancellationToken);
        return [.. free.Where(row => taken.Contains(row.Destination))
            .Select(row => new OutboxLease(StoredText.FromDestination(row.Destination), row.SendingUpTo, row.Failures))];
    }

    /// <summary>Nothing waits for it, and its holder has not come back.</summary>
    private async ValueTask ForgetAsync(DestinationRow emptied, CancellationToken cancellationToken) => await database.TransactAsync(async db =>
    {
        if (!await DestinationRows.LockAsync(db, emptied.Destination)) return 0;
        await db.Set<DestinationRow>().Where(row => row.Destination == emptied.Destination && row.Turn == emptied.Turn)
            .ExecuteUpdateAsync(row => row.SetProperty(d => d.Holder, (byte[]?)null), CancellationToken.None);
        await DestinationRows.ForgetIfEmptyAsync(db, emptied.Destination);
        return 0;
    }, cancellationToken);

    private long HostTime(TimeSpan later) => time.GetUtcNow().UtcTicks + later.Ticks;
}
