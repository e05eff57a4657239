using Npgsql;

namespace Matrix.ToDevice;

/// <summary>What is read: pages of inboxes, and the outbox.</summary>
internal sealed class PostgreSqlReader(PostgreSqlDatabase database, PostgreSqlStoreOptions options)
{
    private readonly string _page = $"""
        SELECT sequence, send_id, sender, event_type, content FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_message
        WHERE user_id = $1 AND device_id = $2 AND sequence > $3 ORDER BY sequence LIMIT $4
        """;

    private readonly string _edus = $"""
        SELECT position, message_id, content FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_edu
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

    public ValueTask<InboxPage> ReadPageAsync(DeviceAddress device, InboxPosition after, int limit, CancellationToken cancellationToken) =>
        database.RunAsync(async (connection, cancellation) =>
        {
            await using var command = new NpgsqlCommand(_page, connection)
            {
                Parameters =
                {
                    new NpgsqlParameter<string> { TypedValue = PostgreSqlText.Key(device.UserId) },
                    new NpgsqlParameter<string> { TypedValue = PostgreSqlText.Key(device.DeviceId) },
                    new NpgsqlParameter<long> { TypedValue = after.Sequence },
                    // One more than asked for tells whether there are more.
                    new NpgsqlParameter<long> { TypedValue = limit + 1L },
                },
            };
            await database.PrepareAsync(command, cancellation);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            return await ReadPageAsync(reader, limit, cancellation);
        }, cancellationToken);

    public ValueTask<IReadOnlyList<OutboxEntry>> ReadEdusAsync(string destination, int limit, CancellationToken cancellationToken) =>
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
                found.Add(new OutboxEntry(reader.GetInt64(0), reader.GetString(1), reader.GetFieldValue<byte[]>(2)));
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

    private static async ValueTask<InboxPage> ReadPageAsync(NpgsqlDataReader reader, int limit, CancellationToken cancellationToken)
    {
        var memory = new PageMemory();
        try
        {
            var found = new List<(InboxPosition Position, string Sender, string EventType, int Start, int Length)>();
            var hasMore = false;
            while (!hasMore && await reader.ReadAsync(cancellationToken))
            {
                hasMore = found.Count == limit;
                if (hasMore) break;

                var position = new InboxPosition(reader.GetInt64(0), reader.GetInt64(1));
                var start = memory.Add(reader, 4, out var length);
                found.Add((position, PostgreSqlText.Unescape(reader.GetString(2)), PostgreSqlText.Unescape(reader.GetString(3)), start, length));
            }

            if (found.Count == 0) return InboxPage.Empty;
            return new InboxPage(
                found.ConvertAll(message => new InboxMessage(
                    message.Position, message.Sender, message.EventType, memory.Slice(message.Start, message.Length))),
                hasMore,
                memory);
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }
}
