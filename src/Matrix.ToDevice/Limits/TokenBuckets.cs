using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading.RateLimiting;

namespace Matrix.ToDevice;

/// <summary>
/// A token bucket for each of many. Without timers, and with some bytes for each: a bucket that is full again need not be kept, and one that
/// is not is counted out when it is looked at.
/// </summary>
internal sealed class TokenBuckets<TResource, TKey>(Func<TResource, TKey> keyOf, Func<RateLimit?> limit, TimeProvider time)
    : PartitionedRateLimiter<TResource>
    where TKey : notnull
{
    // Some ten megabytes of user IDs of usual length.
    private const int MaxBuckets = 100_000;

    // What is waited for to the instant is there at that instant, however fractions add up.
    private const double Rounding = 1e-6;

    private readonly Lock _lock = new();
    private readonly Dictionary<TKey, Bucket> _buckets = [];

    /// <summary>Gives back what was taken for something that was refused all the same.</summary>
    public void Return(TResource resource, int permits)
    {
        lock (_lock)
        {
            ref var bucket = ref CollectionsMarshal.GetValueRefOrNullRef(_buckets, keyOf(resource));
            if (!Unsafe.IsNullRef(ref bucket)) bucket.Tokens += permits;
        }
    }

    public override RateLimiterStatistics? GetStatistics(TResource resource) => null;

    protected override RateLimitLease AttemptAcquireCore(TResource resource, int permitCount) =>
        limit() is not { } current || Take(keyOf(resource), current, permitCount) is not { } retryAfter ? Lease.Granted : new Lease(retryAfter);

    protected override ValueTask<RateLimitLease> AcquireAsyncCore(TResource resource, int permitCount, CancellationToken cancellationToken) =>
        new(AttemptAcquireCore(resource, permitCount));

    /// <summary>Null when they were taken; otherwise after how long there are as many.</summary>
    private TimeSpan? Take(TKey key, RateLimit current, int permits)
    {
        var now = time.GetTimestamp();
        lock (_lock)
        {
            if (_buckets.Count >= MaxBuckets) Forget(current, now);
            ref var bucket = ref CollectionsMarshal.GetValueRefOrAddDefault(_buckets, key, out var isKnown);
            var tokens = isKnown ? Filled(bucket, current, now) : current.Burst;
            var isEnough = tokens + Rounding >= permits;
            bucket = new Bucket(isEnough ? tokens - permits : tokens, now);
            return isEnough ? null : TimeSpan.FromSeconds((permits - tokens) / current.PerSecond);
        }
    }

    private double Filled(Bucket bucket, RateLimit current, long now) =>
        Math.Min(current.Burst, bucket.Tokens + (time.GetElapsedTime(bucket.At, now).TotalSeconds * current.PerSecond));

    /// <summary>
    /// Those that are full, and those that lack one: whoever makes up names without end makes such. If that is not enough, all of them,
    /// and everybody has a full one.
    /// </summary>
    private void Forget(RateLimit current, long now)
    {
        foreach (var (key, bucket) in _buckets)
            if (Filled(bucket, current, now) >= current.Burst - 1) _buckets.Remove(key);
        if (_buckets.Count > MaxBuckets / 2) _buckets.Clear();
    }

    private record struct Bucket(double Tokens, long At);

    private sealed class Lease(TimeSpan? retryAfter) : RateLimitLease
    {
        public static Lease Granted { get; } = new(null);

        public override bool IsAcquired => retryAfter is null;
        public override IEnumerable<string> MetadataNames => retryAfter is null ? [] : [MetadataName.RetryAfter.Name];

        public override bool TryGetMetadata(string metadataName, out object? metadata)
        {
            metadata = metadataName == MetadataName.RetryAfter.Name ? retryAfter : null;
            return metadata is not null;
        }
    }
}
