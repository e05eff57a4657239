using Npgsql;

namespace Matrix.ToDevice;

/// <summary>What is read of inboxes: pages.</summary>
internal sealed class PostgreSqlReader(PostgreSqlDatabase database, PostgreSqlStoreOptions options)
{
    private readonly string _page = $"""
        SELECT sequence, send_id, sender, event_type, content FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_message
        WHERE user_id = $1 AND device_id = $2 AND sequence > $3 ORDER BY sequence LIMIT $4
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
