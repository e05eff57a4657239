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
            return await db.DeleteAllAsync(KeysOf(db.Set<MessageRow>().Where(row => row.Device == key && row.Sequence <= upTo.Sequence)));
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

        for (var purged = 0; ;)
        {
            var most = Math.Min(atMost - purged, RowDeletion.Chunk);
            var some = await database.TransactAsync(db => DeleteRecordsAsync(db, kind, due, most), cancellationToken);
            purged += some;
            if (some < most || purged == atMost) return purged;
        }
    }

    private async Task<long> RemoveAsync(DbContext db, byte[] key)
    {
        if (!await DeviceRows.LockAsync(db, key)) throw new ChangedMeanwhileException();
        await db.DeleteAllAsync(KeysOf(db.Set<MessageRow>().Where(row => row.Device == key)));
        await db.DeleteAllAsync(db.Set<TransactionRow>().Where(row => row.Device == key).OrderBy(row => row.Key)
            .Select(row => new TransactionRow { Device = row.Device, Key = row.Key, LastUsed = row.LastUsed }));

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
            await database.TransactAsync(db => ForgetRemovalAsync(db, key, due), cancellationToken);
        }
    }

    private static async Task<int> ForgetRemovalAsync(DbContext db, byte[] key, long due)
    {
        if (!await DeviceRows.LockAsync(db, key)) return 0;
        var removed = db.Set<DeviceRow>().Where(row => row.Key == key && row.RemovedAt > 0 && row.RemovedAt < due);
        // The counter of a device that has come back stays.
        var gone = await removed.Where(row => row.LastSequence == 0).Select(row => new DeviceRow { Key = row.Key }).ToListAsync(CancellationToken.None);
        return gone.Count > 0 ? await db.DeleteAsync(gone) : await removed.ExecuteUpdateAsync(
            row => row.SetProperty(device => device.Removal, 0L).SetProperty(device => device.RemovedAt, 0L), CancellationToken.None);
    }

    private static async Task<int> DeleteRecordsAsync(DbContext db, int kind, long due, int most) => await db.DeleteAsync(
        await db.Set<TransactionRow>().Where(row => row.Kind == kind && row.LastUsed < due).OrderBy(row => row.LastUsed).Take(most)
            .Select(row => new TransactionRow { Device = row.Device, Key = row.Key, LastUsed = row.LastUsed }).ToListAsync(CancellationToken.None));

    private static IQueryable<MessageRow> KeysOf(IQueryable<MessageRow> messages) =>
        messages.OrderBy(row => row.Sequence).Select(row => new MessageRow { Device = row.Device, Sequence = row.Sequence });
}
