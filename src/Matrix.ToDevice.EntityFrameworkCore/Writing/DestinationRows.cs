using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice;

/// <summary>The rows of destinations: locked behind those of devices, in one order.</summary>
internal static class DestinationRows
{
    /// <summary>
    /// Locks rows until the end of the transaction, makes those that are not there, and tells what is in them. Nothing of a
    /// destination stays behind when the send comes to nothing: anybody can name one.
    /// </summary>
    /// <returns>Them, and those among them for which nothing waits.</returns>
    public static async Task<(Dictionary<string, DestinationRow> Rows, HashSet<string> Empty)> LockAsync(DbContext db, IReadOnlyList<string> destinations)
    {
        var rows = destinations.ToDictionary(
            destination => destination, destination => new DestinationRow { Destination = destination, LockedBy = DeviceRows.NewLock() });
        var empty = new HashSet<string>(destinations);
        foreach (var some in destinations.Chunk(DeviceRows.Chunk))
        {
            var there = await db.Set<DestinationRow>().Where(row => some.Contains(row.Destination))
                .Select(row => row.Destination).ToListAsync(CancellationToken.None);
            foreach (var destination in there) db.Attach(rows[destination]).Property(row => row.LockedBy).IsModified = true;
            db.AddRange(some.Except(there).Select(destination => rows[destination]));
        }

        await db.SaveChangesAsync(CancellationToken.None);

        foreach (var some in destinations.Chunk(DeviceRows.Chunk))
        {
            var found = await db.Set<DestinationRow>().Where(row => some.Contains(row.Destination))
                .Select(row => new { row.Destination, row.LastPosition, row.TakenUntil, IsWaiting = db.Set<EduRow>().Any(edu => edu.Destination == row.Destination) })
                .ToListAsync(CancellationToken.None);
            foreach (var destination in found)
            {
                var row = rows[destination.Destination];
                (row.LastPosition, row.TakenUntil) = (destination.LastPosition, destination.TakenUntil);
                if (destination.IsWaiting) empty.Remove(destination.Destination);
            }
        }

        return (rows, empty);
    }

    /// <summary>Locks one row; false when there is none.</summary>
    public static async Task<bool> LockAsync(DbContext db, string destination)
    {
        var lockedBy = DeviceRows.NewLock();
        return await db.Set<DestinationRow>().Where(row => row.Destination == destination)
            .ExecuteUpdateAsync(row => row.SetProperty(d => d.LockedBy, lockedBy), CancellationToken.None) > 0;
    }

    /// <summary>Of a destination that is locked, for which nothing waits and that nobody has taken, nothing is kept.</summary>
    public static async Task ForgetIfEmptyAsync(DbContext db, string destination)
    {
        if (await db.Set<EduRow>().AnyAsync(edu => edu.Destination == destination, CancellationToken.None)) return;
        await db.DeleteAsync(await db.Set<DestinationRow>().Where(row => row.Destination == destination && row.Holder == null)
            .Select(row => new DestinationRow { Destination = row.Destination }).ToListAsync(CancellationToken.None));
    }
}
