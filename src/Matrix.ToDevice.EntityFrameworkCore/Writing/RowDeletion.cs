using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice;

/// <summary>
/// Deletes rows by their keys, as a context that has read them does. A deletion of all that a query finds would be shorter, and MariaDB
/// does not understand what the provider for MySQL makes of it; and it would take its locks in any order, and as long as it takes.
/// </summary>
internal static class RowDeletion
{
    /// <summary>How many rows are deleted in one go.</summary>
    public const int Chunk = 1000;

    /// <summary>Deletes rows of which only the keys are looked at, and what guards against their being changed meanwhile.</summary>
    /// <returns>How many there were.</returns>
    /// <exception cref="DbUpdateConcurrencyException">One is not there any more.</exception>
    /// <exception cref="InvalidOperationException">The host keeps what is to be deleted: messages would come again, and to later devices.</exception>
    public static async Task<int> DeleteAsync<TRow>(this DbContext db, IReadOnlyList<TRow> rows)
        where TRow : class
    {
        if (rows.Count == 0) return 0;
        db.RemoveRange(rows);
        await db.SaveChangesAsync(CancellationToken.None);
        // A context knows nothing more of a row that it has deleted.
        if (db.ChangeTracker.Entries<TRow>().Any())
        {
            throw new InvalidOperationException(
                $"{db.GetType().Name} does not delete rows of {db.Model.FindEntityType(typeof(TRow))?.GetTableName()}: its SaveChanges, or an interceptor, "
                + "changes them in another way. Leave the to_device_ tables out of that.");
        }

        db.ChangeTracker.Clear();
        return rows.Count;
    }

    /// <summary>Deletes all rows of a query, however many.</summary>
    /// <param name="db">The context, in a transaction that keeps others from these rows.</param>
    /// <param name="keys">The rows, with their keys alone, in the order of the keys.</param>
    public static async Task<int> DeleteAllAsync<TRow>(this DbContext db, IQueryable<TRow> keys)
        where TRow : class
    {
        for (var deleted = 0; ;)
        {
            var rows = await keys.Take(Chunk).ToListAsync(CancellationToken.None);
            deleted += await db.DeleteAsync(rows);
            if (rows.Count < Chunk) return deleted;
        }
    }
}
