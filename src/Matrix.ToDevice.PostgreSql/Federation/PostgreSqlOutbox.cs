using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>The EDUs that wait for other servers: read and removed here, added by the commits.</summary>
internal sealed class PostgreSqlOutbox(PostgreSqlDatabase database, PostgreSqlStoreOptions options) : IOutbox
{
    // Behind what was removed: the index has that still, and without a vacuum, or while somebody looks at an old state, all of it.
    private readonly string _edus = $"""
        SELECT position, message_id, content, committed_at FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_edu
        WHERE destination = $1 AND position > greatest(
            $2, (SELECT removed_up_to FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_lease WHERE destination = $1))
        ORDER BY position LIMIT $3
        """;

    // EDUs may have been deleted by hand.
    private readonly string _destinations = $"""
        SELECT l.destination FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_lease l
        WHERE l.destination > $1 AND l.is_waiting AND EXISTS (
            SELECT FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_edu e
            WHERE e.destination = l.destination AND e.position > l.removed_up_to)
        ORDER BY l.destination LIMIT $2
        """;

    private readonly string _remove = $"SELECT {PostgreSqlSchema.Quote(options.Schema)}.to_device_remove_edus($1, $2, $3)";

    public ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, long after, int limit, CancellationToken cancellationToken) =>
        database.RunAsync<IReadOnlyList<OutboxEntry>>(async (connection, cancellation) =>
        {
            await using var command = new NpgsqlCommand(_edus, connection)
            {
                Parameters =
                {
                    new NpgsqlParameter<string> { TypedValue = destination },
                    new NpgsqlParameter<long> { TypedValue = after },
                    new NpgsqlParameter<long> { TypedValue = limit },
                },
            };
            await database.PrepareAsync(command, cancellation);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            var found = new List<OutboxEntry>();
            while (await reader.ReadAsync(cancellation))
            {
                found.Add(new OutboxEntry(
                    reader.GetInt64(0), reader.GetString(1), reader.GetFieldValue<byte[]>(2), reader.GetFieldValue<DateTimeOffset>(3)));
            }

            return found;
        }, cancellationToken);

    public ValueTask<IReadOnlyList<string>> ListDestinationsAsync(string? after, int limit, CancellationToken cancellationToken) =>
        database.RunAsync<IReadOnlyList<string>>(async (connection, cancellation) =>
        {
            await using var command = new NpgsqlCommand(_destinations, connection)
            {
                Parameters = { new NpgsqlParameter<string> { TypedValue = after ?? "" }, new NpgsqlParameter<long> { TypedValue = limit } },
            };
            await database.PrepareAsync(command, cancellation);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            var found = new List<string>();
            while (await reader.ReadAsync(cancellation)) found.Add(reader.GetString(0));
            return found;
        }, cancellationToken);

    /// <inheritdoc cref="IFederationOutbox.RemoveAsync"/>
    public async ValueTask RemoveAsync(string destination, IReadOnlyList<OutboxEntry> edus, CancellationToken cancellationToken) =>
        await database.RunAsync(async (connection, cancellation) =>
        {
            await using var command = new NpgsqlCommand(_remove, connection);
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = destination });
            CommitArrays.Add(command.Parameters, NpgsqlDbType.Bigint, [.. edus.Select(edu => edu.Position)]);
            CommitArrays.Add(command.Parameters, NpgsqlDbType.Text, [.. edus.Select(edu => edu.MessageId)]);
            await database.PrepareAsync(command, cancellation);
            return await command.ExecuteNonQueryAsync(cancellation);
        }, cancellationToken);
}
