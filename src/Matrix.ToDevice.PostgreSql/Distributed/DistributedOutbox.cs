using System.Runtime.ExceptionServices;
using System.Text;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>The EDUs that wait for other servers. Whatever waits for one destination is in one bucket.</summary>
internal sealed class DistributedOutbox(PostgreSqlDatabase database, PostgreSqlStoreOptions options, Availability availability) : IOutbox
{
    // As the database has them in order, which is by their bytes.
    private static readonly Comparer<string> s_order = Comparer<string>.Create(
        (one, other) => Encoding.UTF8.GetBytes(one).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(other)));

    // Behind what was removed, as in the layout for one machine.
    private readonly string _edus = $"""
        SELECT position, message_id, content, committed_at FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_edu
        WHERE bucket = $1 AND destination = $2 AND position > greatest($3, (
            SELECT l.removed_up_to FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_lease l WHERE l.bucket = $1 AND l.destination = $2))
        ORDER BY position LIMIT $4
        """;

    // EDUs may have been deleted by hand. With EXISTS it would be a join, for which all EDUs of a bucket may be read.
    private readonly string _destinations = $"""
        SELECT l.destination FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_lease l
        WHERE l.bucket = $1 AND l.destination > $2 AND l.is_waiting AND (
            SELECT true FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_edu e
            WHERE e.bucket = $1 AND e.destination = l.destination AND e.position > l.removed_up_to LIMIT 1)
        ORDER BY l.destination LIMIT $3
        """;

    private readonly string _remove = Statement.Call(options, "to_device_remove_edus", 4);

    /// <inheritdoc cref="IFederationOutbox.ReadAsync"/>
    public async ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken) =>
        await availability.CallAsync(Buckets.OfDestination(destination), ending => database.ListAsync(
            _edus,
            () => [Statement.Of(Buckets.OfDestination(destination)), Statement.Of(destination), Statement.Of(after), Statement.Of((long)limit)],
            row => new OutboxEntry(row.GetInt64(0), row.GetString(1), row.GetFieldValue<byte[]>(2), row.GetFieldValue<DateTimeOffset>(3)),
            ending), cancellationToken);

    /// <inheritdoc cref="IFederationOutbox.ListDestinationsAsync"/>
    /// <remarks>Those of a machine that is down are missing: nobody could send to them.</remarks>
    public async ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken)
    {
        var (found, failure) = await EachBucket.TryAsync(availability, Enumerable.Range(0, Buckets.OfDestinations), (bucket, cancellation) => database.ListAsync(
            _destinations, () => [Statement.Of(bucket), Statement.Of(after ?? ""), Statement.Of((long)limit)], row => row.GetString(0), cancellation),
            cancellationToken);
        if (found.Count == 0) ExceptionDispatchInfo.Throw(failure!);
        return [.. found.SelectMany(names => names).Order(s_order).Take(limit)];
    }

    /// <inheritdoc cref="IFederationOutbox.RemoveAsync"/>
    public async ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken) =>
        await availability.CallAsync(Buckets.OfDestination(destination), ending => database.ExecuteAsync(
            _remove,
            () =>
            [
                Statement.Of(Buckets.OfDestination(destination)), Statement.Of(destination),
                Calls.Array(NpgsqlDbType.Bigint, edus.Select(edu => edu.Position)), Calls.Array(NpgsqlDbType.Text, edus.Select(edu => edu.MessageId)),
            ],
            ending), cancellationToken);
}
