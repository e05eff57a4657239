using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice;

/// <summary>The rows of devices: what is locked first, and in one order, by whoever changes an inbox.</summary>
internal static class DeviceRows
{
    /// <summary>How many keys stand in one statement: databases bound its parameters.</summary>
    public const int Chunk = 200;

    /// <summary>
    /// Makes the rows that are not there, in a transaction of its own: within another one, a row that somebody else makes at the same
    /// time would be waited for out of order. A row says nothing about its device.
    /// </summary>
    public static async Task AddMissingAsync(DbContext db, IReadOnlyList<UInt128> keys)
    {
        var missing = keys.ToHashSet();
        foreach (var chunk in keys.Chunk(Chunk))
        {
            var some = Array.ConvertAll(chunk, StoredKey.ToBytes);
            foreach (var key in await db.Set<DeviceRow>().Where(row => some.Contains(row.Key)).Select(row => row.Key).ToListAsync(CancellationToken.None))
                missing.Remove(StoredKey.FromBytes(key));
        }

        if (missing.Count == 0) return;
        await using var transaction = await Database.BeginAsync(db);
        db.AddRange(missing.Order().Select(key => new DeviceRow { Key = StoredKey.ToBytes(key) }));
        await db.SaveChangesAsync(CancellationToken.None);
        await transaction.CommitAsync(CancellationToken.None);
        db.ChangeTracker.Clear();
    }

    /// <summary>
    /// Locks rows until the end of the transaction, and tells what is in them. Updates of one row each, together on their way: Entity
    /// Framework Core sends them in the order of their keys, so that no two transactions wait for each other.
    /// </summary>
    public static async Task<Dictionary<UInt128, DeviceRow>> LockAsync(DbContext db, IReadOnlyList<UInt128> keys)
    {
        var rows = keys.ToDictionary(key => key, key => new DeviceRow { Key = StoredKey.ToBytes(key) });
        foreach (var row in rows.Values) db.Attach(row).Property(device => device.LockedBy).CurrentValue = NewLock();
        await db.SaveChangesAsync(CancellationToken.None);

        // A statement of its own, behind the locks: it sees what had them before.
        foreach (var chunk in keys.Chunk(Chunk))
        {
            var some = Array.ConvertAll(chunk, StoredKey.ToBytes);
            var found = await db.Set<DeviceRow>().Where(row => some.Contains(row.Key))
                .Select(row => new { row.Key, row.LastSequence, row.Removal }).ToListAsync(CancellationToken.None);
            foreach (var device in found)
            {
                var row = rows[StoredKey.FromBytes(device.Key)];
                (row.LastSequence, row.Removal) = (device.LastSequence, device.Removal);
            }
        }

        return rows;
    }

    /// <summary>Locks one row; false when there is none.</summary>
    public static async Task<bool> LockAsync(DbContext db, byte[] key)
    {
        var lockedBy = NewLock();
        return await db.Set<DeviceRow>().Where(row => row.Key == key)
            .ExecuteUpdateAsync(row => row.SetProperty(device => device.LockedBy, lockedBy), CancellationToken.None) > 0;
    }

    /// <summary>Another one each time: some databases lock no row that stays as it is, or do not count it.</summary>
    public static long NewLock() => Random.Shared.NextInt64(1, long.MaxValue);
}
