using System.Runtime.ExceptionServices;
using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>
/// Who sends to which destination. They are looked for in all buckets of destinations, and taken in each bucket for itself: whoever has come
/// first has one. All times of a bucket are those of the machine that has it.
/// </summary>
internal sealed class DistributedLeases(PostgreSqlDatabase database, PostgreSqlStoreOptions options, Availability availability) : ILeases
{
    private const int MaxAttempts = 3;
    private const string TooFarAway = "l.due_at > now() + $4";

    // Those that are free, first those that have not failed, and those that are taken until a time that is too far away. Behind them those
    // for which nothing waits, and whose holders have not come back: they are forgotten.
    private readonly string _free = $"""
        {Free(options, "l.failures = 0", "l.due_at <= now()", "l.due_at", "$2")} UNION ALL
        {Free(options, "l.failures > 0", "l.due_at <= now()", "l.due_at", "$3")} UNION ALL
        {Free(options, "l.failures = 0", TooFarAway, "now()", "$2")} UNION ALL
        {Free(options, "l.failures > 0", TooFarAway, "now()", "$3")} UNION ALL
        (SELECT l.destination, false, l.due_at, false FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_lease l
         WHERE l.bucket = $1 AND NOT l.is_waiting AND (l.due_at <= now() OR {TooFarAway}) LIMIT 100)
        """;

    private readonly string _take = Statement.Call(options, "to_device_take", 6);
    private readonly string _forgetEmptied = Statement.Call(options, "to_device_forget_emptied", 3);
    private readonly string _renew = Statement.Call(options, "to_device_renew", 5);
    private readonly string _release = Statement.Call(options, "to_device_release", 5);

    /// <inheritdoc cref="IFederationOutbox.AcquireAsync"/>
    public async ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken)
    {
        var taken = new List<OutboxLease>();
        for (var attempt = 1; ; attempt++)
        {
            var most = limit - taken.Count;
            var mostFailing = Math.Min(most, failingLimit - taken.Count(lease => lease.Failures > 0));
            var (found, failure) = await EachBucket.TryAsync(
                availability, Enumerable.Range(0, Buckets.OfDestinations),
                (bucket, cancellation) => FindAsync(bucket, most, mostFailing, longestPause, cancellation), cancellationToken);
            if (found.Count == 0 && taken.Count == 0) ExceptionDispatchInfo.Throw(failure!);

            var free = found.SelectMany(some => some).OrderBy(one => one.FreeSince).ToLookup(one => one.HasFailed);
            var chosen = free[false].Take(most).ToList();
            chosen.AddRange(free[true].Take(Math.Min(mostFailing, most - chosen.Count)));
            var count = taken.Count;
            taken.AddRange(await TakeAsync(chosen, holder, duration, longestPause, cancellationToken));
            // Another host has taken some meanwhile: there may be others for this one.
            if (taken.Count == count + chosen.Count || attempt == MaxAttempts) return taken;
        }
    }

    /// <inheritdoc cref="IFederationOutbox.AcquireTheseAsync"/>
    public async ValueTask<IReadOnlyList<OutboxLease>> AcquireTheseAsync(
        IReadOnlyList<string> destinations, string holder, TimeSpan duration, CancellationToken cancellationToken) =>
        await TakeAsync([.. destinations.Distinct().Select(name => new Candidate(name, false, default))], holder, duration, null, cancellationToken);

    /// <inheritdoc cref="IFederationOutbox.RenewAsync"/>
    public ValueTask<bool> RenewAsync(
        string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken) =>
        availability.CallAsync(Buckets.OfDestination(destination), ending => database.ScalarAsync<bool>(
            _renew,
            () =>
            [
                Statement.Of(Buckets.OfDestination(destination)), Statement.Of(destination), Statement.Of(holder), Statement.Of(duration),
                Statement.Of(sendingUpTo),
            ],
            ending), cancellationToken);

    /// <inheritdoc cref="IFederationOutbox.ReleaseAsync"/>
    public async ValueTask ReleaseAsync(
        string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken) =>
        await availability.CallAsync(Buckets.OfDestination(destination), ending => database.ExecuteAsync(
            _release,
            () =>
            [
                Statement.Of(Buckets.OfDestination(destination)), Statement.Of(destination), Statement.Of(holder), Statement.Of(failures),
                Statement.Of(pause),
            ],
            ending), cancellationToken);

    /// <summary>What is free in a bucket; and forgets what is emptied there.</summary>
    private async ValueTask<List<Candidate>> FindAsync(
        int bucket, int most, int mostFailing, TimeSpan longestPause, CancellationToken cancellationToken)
    {
        var found = await database.ListAsync(
            _free, () => [Statement.Of(bucket), Statement.Of((long)most), Statement.Of((long)mostFailing), Statement.Of(longestPause)],
            row => (Free: new Candidate(row.GetString(0), row.GetBoolean(1), row.GetFieldValue<DateTimeOffset>(2)), IsWaiting: row.GetBoolean(3)),
            cancellationToken);
        var emptied = found.Where(one => !one.IsWaiting).Select(one => one.Free.Destination).ToArray();
        if (emptied.Length > 0)
        {
            await database.ExecuteAsync(
                _forgetEmptied, () => [Statement.Of(bucket), Calls.Array(NpgsqlDbType.Text, emptied), Statement.Of(longestPause)], cancellationToken);
        }

        return [.. found.Where(one => one.IsWaiting).Select(one => one.Free)];
    }

    /// <summary>Takes those that are free still, bucket by bucket; the result is in the order of these.</summary>
    private async ValueTask<List<OutboxLease>> TakeAsync(
        List<Candidate> candidates, string holder, TimeSpan duration, TimeSpan? longestPause, CancellationToken cancellationToken)
    {
        var buckets = candidates.Select((one, place) => (one.Destination, one.HasFailed, Place: place)).ToLookup(one => Buckets.OfDestination(one.Destination));
        var (taken, failure) = await EachBucket.TryAsync(availability, buckets.Select(bucket => bucket.Key), async (bucket, cancellation) =>
        {
            var these = buckets[bucket].ToArray();
            var numbers = await database.ScalarAsync<long[]>(
                _take,
                () =>
                [
                    Statement.Of(bucket), Calls.Array(NpgsqlDbType.Text, these.Select(one => one.Destination)),
                    Calls.Array(NpgsqlDbType.Boolean, these.Select(one => one.HasFailed)), Statement.Of(holder), Statement.Of(duration),
                    longestPause is { } pause ? Statement.Of(pause) : new NpgsqlParameter { Value = DBNull.Value, NpgsqlDbType = NpgsqlDbType.Interval },
                ],
                cancellation);
            return these.Index().Where(one => numbers[3 * one.Index] == 1).Select(one =>
                (one.Item.Place, Lease: new OutboxLease(one.Item.Destination, numbers[(3 * one.Index) + 1], (int)numbers[(3 * one.Index) + 2]))).ToArray();
        }, cancellationToken);
        if (taken.Count == 0 && failure is not null) ExceptionDispatchInfo.Throw(failure);
        return [.. taken.SelectMany(leases => leases).OrderBy(lease => lease.Place).Select(lease => lease.Lease)];
    }

    // EDUs may have been deleted by hand. With EXISTS it would be a join, for which all EDUs of a bucket may be read.
    private static string Free(PostgreSqlStoreOptions options, string failures, string isFree, string since, string limit) => $"""
        (SELECT l.destination, l.failures > 0, {since}, true FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_lease l
         WHERE l.bucket = $1 AND l.is_waiting AND {failures} AND {isFree} AND (
            SELECT true FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_edu e
            WHERE e.bucket = $1 AND e.destination = l.destination AND e.position > l.removed_up_to LIMIT 1)
         ORDER BY l.due_at LIMIT {limit})
        """;

    private readonly record struct Candidate(string Destination, bool HasFailed, DateTimeOffset FreeSince);
}
