using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice;

/// <summary>Everything that is deleted: what a device has, what nobody asks for any more, removed devices.</summary>
internal sealed class Cleaner(Database database, TimeProvider time, KnownRemovals knownRemovals)
{
    /// <inheritdoc cref="IDeviceInbox.AcknowledgeAsync"/>
    public async ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken)
    {
        var key = StoredKey.ToBytes(StoredKey.Of(device));
        // Most positions were acknowledged before: that takes no lock.
        if (!await database.ReadAsync(HoldsAsync, cancellationToken)) return 0;
        return await database.TransactAsync(async db =>
        {
            // Behind the device's lock, so that no removal comes between the two, and no later device's messages go.
            if (!await DeviceRows.LockAsync(db, key) || !await HoldsAsync(db, CancellationToken.None)) return 0;
            return await db.Set<MessageRow>().Where(row => row.Device == key && row.Sequence <= upTo.Sequence).ExecuteDeleteAsync(CancellationToken.None);
        }, cancellationToken);

        Task<bool> HoldsAsync(DbContext db, CancellationToken cancellation) => db.Set<MessageRow>().AnyAsync(
            row => row.Device == key && row.Sequence == upTo.Sequence && row.SendId == upTo.SendId, cancellation);
    }

    /// <inheritdoc cref="IDeviceInbox.RemoveDeviceAsync"/>
    public async ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken)
    {
        var key = StoredKey.Of(device);
        knownRemovals.Learn(await database.WriteAsync(async db =>
        {
            await DeviceRows.AddMissingAsync(db, [key]);
            await using var transaction = await Database.BeginAsync(db);
            var number = await RemoveAsync(db, StoredKey.ToBytes(key));
            await transaction.CommitAsync(CancellationToken.None);
            return number;
        }, cancellationToken));
    }

    /// <inheritdoc cref="ITransactionStore.PurgeAsync"/>
    public async ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken)
    {
        var (kind, due) = (EntityFrameworkTransaction.KindOf(endpoint), lastUsedBefore.UtcTicks);
        await PurgeRemovalsAsync(due, atMost, cancellationToken);

        var records = await database.ReadAsync(
            (db, cancellation) => db.Set<TransactionRow>().Where(row => row.Kind == kind && row.LastUsed < due).OrderBy(row => row.LastUsed).Take(atMost)
                .Select(row => new { row.Device, row.Key }).ToListAsync(cancellation),
            cancellationToken);
        var purged = 0;
        foreach (var some in records.Chunk(DeviceRows.Chunk))
        {
            // A fingerprint is one device's: nothing is found by the key of the one and the device of the other.
            var (devices, keys) = (some.Select(row => row.Device).Distinct(StoredKeyComparer.Instance).ToArray(), Array.ConvertAll(some, row => row.Key));
            purged += await database.TransactAsync(
                db => db.Set<TransactionRow>().Where(row => devices.Contains(row.Device) && keys.Contains(row.Key) && row.LastUsed < due)
                    .ExecuteDeleteAsync(CancellationToken.None),
                cancellationToken);
        }

        return purged;
    }

    private async Task<long> RemoveAsync(DbContext db, byte[] key)
    {
        if (!await DeviceRows.LockAsync(db, key)) throw new ChangedMeanwhileException();
        await db.Set<MessageRow>().Where(row => row.Device == key).ExecuteDeleteAsync(CancellationToken.None);
        await db.Set<TransactionRow>().Where(row => row.Device == key).ExecuteDeleteAsync(CancellationToken.None);

        // The number comes last, because everybody's removals wait for its row.
        var now = time.GetUtcNow().UtcTicks;
        var number = await Counter.NextAsync(db, now / TimeSpan.TicksPerMicrosecond);
        await db.Set<DeviceRow>().Where(row => row.Key == key).ExecuteUpdateAsync(
            row => row.SetProperty(device => device.LastSequence, 0L).SetProperty(device => device.Removal, number).SetProperty(device => device.RemovedAt, now),
            CancellationToken.None);
        return number;
    }

    /// <summary>Row by row: with one lock at a time, nobody who has several waits for this in a circle.</summary>
    private async ValueTask PurgeRemovalsAsync(long due, int atMost, CancellationToken cancellationToken)
    {
        var keys = await database.ReadAsync(
            (db, cancellation) => db.Set<DeviceRow>().Where(row => row.RemovedAt > 0 && row.RemovedAt < due).OrderBy(row => row.RemovedAt).Take(atMost)
                .Select(row => row.Key).ToListAsync(cancellation),
            cancellationToken);
        foreach (var key in keys)
        {
            await database.TransactAsync(async db =>
            {
                var removed = db.Set<DeviceRow>().Where(row => row.Key == key && row.RemovedAt > 0 && row.RemovedAt < due);
                // The counter of a device that has come back stays.
                var isGone = await removed.Where(row => row.LastSequence == 0).ExecuteDeleteAsync(CancellationToken.None) > 0;
                return isGone ? 1 : await removed.ExecuteUpdateAsync(
                    row => row.SetProperty(device => device.Removal, 0L).SetProperty(device => device.RemovedAt, 0L), CancellationToken.None);
            }, cancellationToken);
        }
    }

    private sealed class StoredKeyComparer : IEqualityComparer<byte[]>
    {
        public static StoredKeyComparer Instance { get; } = new();

        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] key) => StoredKey.FromBytes(key).GetHashCode();
    }
}
