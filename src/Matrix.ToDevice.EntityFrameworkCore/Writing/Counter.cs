using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice;

/// <summary>The row that numbers removals.</summary>
internal static class Counter
{
    /// <summary>
    /// Takes the next number, and keeps others from taking one until the transaction ends. It follows the clock, so that a database
    /// that has lost its last transactions gives none out again.
    /// </summary>
    public static async Task<long> NextAsync(DbContext db, long microseconds)
    {
        var counter = db.Set<CounterRow>().Where(row => row.Id == CounterRow.Removals);
        var updated = await UpdateAsync();
        if (updated == 0)
        {
            await AddAsync(db);
            await UpdateAsync();
        }

        return await counter.Select(row => row.Value).SingleAsync(CancellationToken.None);

        Task<int> UpdateAsync() => counter.ExecuteUpdateAsync(
            row => row.SetProperty(c => c.Value, c => c.Value >= microseconds ? c.Value + 1 : microseconds), CancellationToken.None);
    }

    /// <summary>Makes the row. When somebody else does at the same time, this fails and is tried again.</summary>
    public static async Task AddAsync(DbContext db)
    {
        var row = db.Add(new CounterRow { Id = CounterRow.Removals });
        await db.SaveChangesAsync(CancellationToken.None);
        row.State = EntityState.Detached;
    }
}
