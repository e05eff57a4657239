using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice;

/// <summary>What is done now and then: messages expire, and of all hosts one does it.</summary>
internal sealed class Upkeep(Database database)
{
    private const int DevicesAtOnce = 100;

    /// <inheritdoc cref="IStoreUpkeep.ExpireAsync"/>
    public async ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost, CancellationToken cancellationToken)
    {
        var before = committedBefore.UtcTicks;
        for (var expired = 0; ;)
        {
            var started = expired;
            var due = await database.ReadAsync((db, cancellation) => FindDueAsync(db, before, cancellation), cancellationToken);
            foreach (var device in due)
            {
                for (var (most, done) = (1, 1); done == most && expired < atMost;)
                {
                    most = Math.Min(atMost - expired, RowDeletion.Chunk);
                    done = await database.TransactAsync(db => ExpireAsync(db, device, before, most), cancellationToken);
                    expired += done;
                }
            }

            // What was due and could not be deleted was taken by somebody else.
            if (expired == started || expired >= atMost) return expired;
        }
    }

    /// <inheritdoc cref="IStoreUpkeep.TryTakeAsync"/>
    public ValueTask<bool> TryTakeAsync(string task, TimeSpan interval, CancellationToken cancellationToken)
    {
        StoredText.Check(task, nameof(task));
        var key = StoredKey.OfTask(task);
        return database.TransactAsync(async db =>
        {
            var now = await DatabaseClock.NowAsync(db, CancellationToken.None);
            // Also when it was taken at a time that is still to come: the clock was set back.
            var (before, after) = (now - interval.Ticks, now + interval.Ticks);
            var rows = db.Set<UpkeepRow>().Where(row => row.Task == key);
            if (await rows.Where(row => row.TakenAt <= before || row.TakenAt > after)
                .ExecuteUpdateAsync(row => row.SetProperty(taken => taken.TakenAt, now), CancellationToken.None) > 0) return true;
            if (await rows.AnyAsync(CancellationToken.None)) return false;
            // When somebody else makes it at the same time, this fails and is tried again.
            db.Add(new UpkeepRow { Task = key, TakenAt = now });
            await db.SaveChangesAsync(CancellationToken.None);
            return true;
        }, cancellationToken);
    }

    /// <summary>Devices whose oldest message was committed before. One of which nobody knows when it was, is kept, and those behind it.</summary>
    private static Task<List<byte[]>> FindDueAsync(DbContext db, long before, CancellationToken cancellationToken) => db.Set<DeviceRow>()
        .Where(device => device.LastSequence > 0)
        .Select(device => new
        {
            device.Key,
            CommittedAt = db.Set<MessageRow>().Where(message => message.Device == device.Key).OrderBy(message => message.Sequence)
                .Select(message => (long?)message.CommittedAt).FirstOrDefault(),
        })
        .Where(inbox => inbox.CommittedAt > 0 && inbox.CommittedAt < before).OrderBy(inbox => inbox.Key).Take(DevicesAtOnce)
        .Select(inbox => inbox.Key).ToListAsync(cancellationToken);

    private static async Task<int> ExpireAsync(DbContext db, byte[] device, long before, int most)
    {
        if (!await DeviceRows.LockAsync(db, device)) return 0;
        var oldest = await db.Set<MessageRow>().Where(row => row.Device == device).OrderBy(row => row.Sequence).Take(most)
            .Select(row => new { row.Sequence, row.CommittedAt }).ToListAsync(CancellationToken.None);
        return await db.DeleteAsync(
            [.. oldest.TakeWhile(row => row.CommittedAt > 0 && row.CommittedAt < before).Select(row => new MessageRow { Device = device, Sequence = row.Sequence })]);
    }
}
