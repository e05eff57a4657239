using System.Collections.Concurrent;
using System.Net.Sockets;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>
/// Which buckets cannot be had at the moment, because their machine is down or hangs: nobody waits for one again and again, and it is tried
/// now and then. Every call to a bucket goes through here.
/// </summary>
internal sealed class Availability(Machines machines, int connectionsToRead, TimeProvider time)
{
    private static readonly TimeSpan s_first = TimeSpan.FromSeconds(1), s_longest = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<int, Failure> _down = new();

    private readonly Share _others = Share.OfConnections(connectionsToRead);

    /// <summary>Those that cannot be had.</summary>
    public IReadOnlyCollection<int> Down =>
        [.. Enumerable.Range(0, Buckets.Count).Where(IsDown)];

    /// <summary>Does something in a bucket, and in no other, for its own user. Where nothing can be written, it may still be read.</summary>
    /// <exception cref="PostgreSqlStoreException">It failed, or its machine hangs.</exception>
    public ValueTask<T> CallAsync<T>(int bucket, Func<CancellationToken, ValueTask<T>> work, CancellationToken cancellationToken) =>
        CallAsync(_others, bucket, work, cancellationToken);

    /// <inheritdoc cref="CallAsync{T}(int, Func{CancellationToken, ValueTask{T}}, CancellationToken)"/>
    public ValueTask<T> CallAsync<T>(Share share, int bucket, Func<CancellationToken, ValueTask<T>> work, CancellationToken cancellationToken) =>
        machines.Of(bucket) is { } machine ? machine.RunAsync(share, work, cancellationToken) : share.RunAsync(work, cancellationToken);

    /// <inheritdoc cref="TryAsync{T}(Share, int, Func{CancellationToken, ValueTask{T}}, CancellationToken)"/>
    public ValueTask<T> TryAsync<T>(int bucket, Func<CancellationToken, ValueTask<T>> work, CancellationToken cancellationToken) =>
        TryAsync(_others, bucket, work, cancellationToken);

    /// <summary>Does something in a bucket, and in no other, unless that has failed just before.</summary>
    /// <exception cref="PostgreSqlStoreException">It failed now, or just before.</exception>
    public async ValueTask<T> TryAsync<T>(Share share, int bucket, Func<CancellationToken, ValueTask<T>> work, CancellationToken cancellationToken)
    {
        var found = _down.GetValueOrDefault(bucket);
        if (found is not null)
        {
            // One of those who come tries, the others go on.
            var tried = found with { Since = time.GetTimestamp() };
            if (!IsDue(found) || !_down.TryUpdate(bucket, tried, found)) throw Before(bucket, found);
            found = tried;
        }

        try
        {
            var result = await CallAsync(share, bucket, work, cancellationToken);
            if (found is not null) _down.TryRemove(bucket, out _);
            return result;
        }
        catch (PostgreSqlStoreException exception) when (CannotBeHad(exception))
        {
            // Not when somebody else has found out more meanwhile: what has failed now may have begun long ago.
            if (found is null) _down.TryAdd(bucket, new Failure(time.GetTimestamp(), s_first, exception));
            else _down.TryUpdate(bucket, new Failure(time.GetTimestamp(), found.Pause < s_longest / 2 ? found.Pause * 2 : s_longest, exception), found);
            throw;
        }
    }

    /// <summary>Whether a bucket could not be had when it was tried last.</summary>
    public bool IsDown(int bucket) => _down.ContainsKey(bucket) || machines.Of(bucket) is { IsHanging: true };

    /// <summary>Why nobody would be let through to a bucket just now; null when somebody would.</summary>
    public PostgreSqlStoreException? WhyNot(int bucket) => machines.Of(bucket) is { IsHanging: true } machine ? machine.DoesNotAnswer()
        : _down.GetValueOrDefault(bucket) is { } found && !IsDue(found) ? Before(bucket, found)
        : null;

    /// <summary>
    /// Whether a failure says that a bucket cannot be had. That this host has no connection left says nothing of it, nor does what is
    /// wrong with that one statement: the bucket has answered.
    /// </summary>
    public static bool CannotBeHad(PostgreSqlStoreException exception) => exception.InnerException switch
    {
        // Connections, resources, an operator, the system, errors inside; and what has become a standby.
        PostgresException postgres => postgres.SqlState[..2] is "08" or "53" or "57" or "58" or "XX" or "25",
        TimeoutException or SocketException => true,
        NpgsqlException => !exception.InnerException.Message.Contains("pool", StringComparison.Ordinal),
        _ => false,
    };

    private bool IsDue(Failure failure) => time.GetElapsedTime(failure.Since) >= failure.Pause;

    private static PostgreSqlStoreException Before(int bucket, Failure failure) =>
        new($"Bucket {bucket} could not be had just before. {failure.Cause.Message}", failure.Cause);

    private sealed record Failure(long Since, TimeSpan Pause, PostgreSqlStoreException Cause);
}
