using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice;

/// <summary>The database's clock: hosts have different ones.</summary>
internal static class DatabaseClock
{
    /// <summary>
    /// What it says, in ticks. Some databases answer in whole seconds. A provider that cannot ask gives the host's time.
    /// </summary>
    public static async Task<long> NowAsync(DbContext db, CancellationToken cancellationToken)
    {
        // It takes a row to ask.
#pragma warning disable RS0030 // The database says it: it is part of the statement.
        var now = db.Set<CounterRow>().Where(counter => counter.Id == CounterRow.Removals).Select(_ => (DateTime?)DateTime.UtcNow);
#pragma warning restore RS0030
        if (await now.FirstOrDefaultAsync(cancellationToken) is { } answer) return answer.Ticks;
        await Counter.AddAsync(db);
        return (await now.FirstAsync(cancellationToken))!.Value.Ticks;
    }
}
