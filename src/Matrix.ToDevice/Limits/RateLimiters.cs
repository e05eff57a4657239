using System.Threading.RateLimiting;

namespace Matrix.ToDevice;

/// <summary>A host's own limiters, in the place of token buckets.</summary>
internal sealed record RateLimiters(
    PartitionedRateLimiter<Requester>? Senders, PartitionedRateLimiter<SenderToRecipient>? Recipients, PartitionedRateLimiter<string>? Servers);
