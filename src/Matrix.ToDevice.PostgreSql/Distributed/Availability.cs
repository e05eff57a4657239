using System.Collections.Concurrent;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>
/// Which buckets cannot be had at the moment, because their machine is down: nobody waits for one again and again, and it is tried now and
/// then.
/// </summary>
internal sealed class Availability(TimeProvider time)
{
    private static readonly TimeSpan s_first = TimeSpan.FromSeconds(1), s_longest = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<int, Failure> _down = new();

    /// <summary>Those that cannot be had.</summary>
    public ICollection<int> Down => _down.Keys;

    /// <summary>Does something in a bucket, and in no other, unless that has failed just before.</summary>
    /// <exception cref="PostgreSqlStoreException">It failed now, or just before.</exception>
    public async ValueTask<T> TryAsync<T>(int bucket, Func<ValueTask<T>> work)
    {
        var found = _down.GetValueOrDefault(bucket);
        if (found is not null)
        {
            // One of those who come tries, the others go on.
            var tried = found with { Since = time.GetTimestamp() };
            if (time.GetElapsedTime(found.Since) < found.Pause || !_down.TryUpdate(bucket, tried, found))
                throw new PostgreSqlStoreException($"Bucket {bucket} could not be had just before. {found.Cause.Message}", found.Cause);
            found = tried;
        }

        try
        {
            var result = await work();
            if (found is not null) _down.TryRemove(bucket, out _);
            return result;
        }
        catch (PostgreSqlStoreException exception) when (!IsOfPool(exception))
        {
            // Not when somebody else has found out more meanwhile: what has failed now may have begun long ago.
            if (found is null) _down.TryAdd(bucket, new Failure(time.GetTimestamp(), s_first, exception));
            else _down.TryUpdate(bucket, new Failure(time.GetTimestamp(), found.Pause < s_longest / 2 ? found.Pause * 2 : s_longest, exception), found);
            throw;
        }
    }

    /// <summary>That this host has no connection left says nothing of the bucket.</summary>
    private static bool IsOfPool(PostgreSqlStoreException exception) => exception.InnerException is NpgsqlException and not PostgresException
        && exception.InnerException.Message.Contains("pool", StringComparison.Ordinal);

    private sealed record Failure(long Since, TimeSpan Pause, PostgreSqlStoreException Cause);
}
