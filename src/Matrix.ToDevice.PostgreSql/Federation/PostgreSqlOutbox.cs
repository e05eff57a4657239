using Npgsql;

namespace Matrix.ToDevice;

/// <summary>The EDUs that wait for other servers: read and removed here, added by the commits.</summary>
internal sealed class PostgreSqlOutbox(PostgreSqlDatabase database, PostgreSqlStoreOptions options)
{
    private readonly string _edus = $"""
        SELECT position, message_id, content, committed_at FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_edu
        WHERE destination = $1 ORDER BY position LIMIT $2
        """;

    // From destination to destination by the index; DISTINCT would walk over every EDU.
    private readonly string _destinations = $"""
        WITH RECURSIVE next (destination) AS (
            (SELECT destination FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_edu
             WHERE destination > $1 ORDER BY destination LIMIT 1)
            UNION ALL
            SELECT (SELECT e.destination FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_edu e
                    WHERE e.destination > next.destination ORDER BY e.destination LIMIT 1)
            FROM next WHERE next.destination IS NOT NULL)
        SELECT destination FROM next WHERE destination IS NOT NULL LIMIT $2
        """;

    private readonly string _remove = $"SELECT {PostgreSqlSchema.Quote(options.Schema)}.to_device_remove_edus($1, $2)";

    public ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(string destination, int limit, CancellationToken cancellationToken) =>
        database.RunAsync<IReadOnlyList<OutboxEntry>>(async (connection, cancellation) =>
        {
            await using var command = new NpgsqlCommand(_edus, connection)
            {
                Parameters = { new NpgsqlParameter<string> { TypedValue = destination }, new NpgsqlParameter<long> { TypedValue = limit } },
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

    public ValueTask<IReadOnlyList<string>> ListAsync(string? after, int limit, CancellationToken cancellationToken) =>
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
    public async ValueTask RemoveAsync(string destination, long upTo, CancellationToken cancellationToken) =>
        await database.RunAsync(async (connection, cancellation) =>
        {
            await using var command = new NpgsqlCommand(_remove, connection)
            {
                Parameters = { new NpgsqlParameter<string> { TypedValue = destination }, new NpgsqlParameter<long> { TypedValue = upTo } },
            };
            await database.PrepareAsync(command, cancellation);
            return await command.ExecuteNonQueryAsync(cancellation);
        }, cancellationToken);
}
