namespace Matrix.ToDevice;

/// <summary>What is done in several buckets, some at once, each in a commit of its own.</summary>
internal static class EachBucket
{
    // Each takes a connection.
    private const int AtOnce = 4;

    /// <summary>Does it in each of these buckets. What fails in one, because its machine is down, keeps it from no other.</summary>
    /// <returns>The results, in any order, and the first failure.</returns>
    public static async ValueTask<(List<T> Results, PostgreSqlStoreException? Failure)> TryAsync<T>(
        Availability availability, IEnumerable<int> buckets, Func<int, CancellationToken, ValueTask<T>> work, CancellationToken cancellationToken)
    {
        var results = new List<T>();
        PostgreSqlStoreException? failure = null;
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(buckets, parallel, async (bucket, cancellation) =>
        {
            try
            {
                var result = await availability.TryAsync(bucket, ending => work(bucket, ending), cancellation);
                lock (results) results.Add(result);
            }
            catch (PostgreSqlStoreException exception)
            {
                lock (results) failure ??= exception;
            }
        });
        return (results, failure);
    }
}
