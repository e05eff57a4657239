using System.Text;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>What is read of inboxes: pages.</summary>
internal sealed class PostgreSqlReader(PostgreSqlDatabase database, PostgreSqlStoreOptions options) : IReader
{
    private const int SmallestContent = 2; // {}
    private const int UsualPage = 128;

    private readonly string _small = Small(Oldest(options), "$5"), _large = Large(Oldest(options), "$5");

    public ValueTask<InboxPage> ReadPageAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken) =>
        ReadPageAsync(
            database, _small, _large, limit, maxBytes,
            contentBytes =>
            [
                new NpgsqlParameter<string> { TypedValue = PostgreSqlText.Key(device.UserId) },
                new NpgsqlParameter<string> { TypedValue = PostgreSqlText.Key(device.DeviceId) },
                new NpgsqlParameter<long> { TypedValue = after.Sequence },
                // One more than asked for tells whether there are more.
                new NpgsqlParameter<long> { TypedValue = limit + 1L },
                new NpgsqlParameter<long> { TypedValue = contentBytes },
            ],
            cancellationToken);

    /// <summary>The statement for a page whose contents are all small enough.</summary>
    /// <param name="oldest">Where the oldest messages come from.</param>
    /// <param name="contentBytes">The parameter that is the most bytes of a content.</param>
    public static string Small(string oldest, string contentBytes) => $"""
        SELECT sequence, send_id, sender, event_type, CASE WHEN octet_length(content) <= {contentBytes} THEN content END, committed_at
        {oldest}
        """;

    /// <summary>
    /// The statement for any page: as many contents as fit, at least one, and the row behind them without its own. The length of one that
    /// lies elsewhere is known without it.
    /// </summary>
    /// <param name="oldest">Where the oldest messages come from.</param>
    /// <param name="contentBytes">The parameter that is the most bytes of all contents.</param>
    public static string Large(string oldest, string contentBytes) => $"""
        SELECT sequence, send_id, sender, event_type, CASE WHEN place = 1 OR total <= {contentBytes} THEN content END, committed_at
        FROM (SELECT *, row_number() OVER places AS place, sum(octet_length(content)) OVER places AS total
              FROM (SELECT sequence, send_id, sender, event_type, content, committed_at {oldest}) oldest
              WINDOW places AS (ORDER BY sequence ROWS UNBOUNDED PRECEDING)) page
        WHERE place <= 2 OR total - octet_length(content) <= {contentBytes} ORDER BY sequence
        """;

    /// <summary>Reads a page with these statements.</summary>
    /// <param name="database">The database.</param>
    /// <param name="small">See <see cref="Small"/>.</param>
    /// <param name="large">See <see cref="Large"/>.</param>
    /// <param name="limit">The most messages.</param>
    /// <param name="maxBytes">The most bytes.</param>
    /// <param name="parameters">Makes the parameters, for so many bytes of contents.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static ValueTask<InboxPage> ReadPageAsync(
        PostgreSqlDatabase database, string small, string large, int limit, int maxBytes, Func<long, NpgsqlParameter[]> parameters,
        CancellationToken cancellationToken) =>
        database.RunAsync(async (connection, cancellation) =>
        {
            // Adding the lengths up costs the server more than half of a page's price. Most contents are so small that as many as
            // there can be fit, and then it is left out.
            var share = maxBytes / (limit + 1L);
            return (share < SmallestContent ? null : await ReadAsync(small, share, isCut: false)) ?? (await ReadAsync(large, maxBytes, isCut: true))!;

            async ValueTask<InboxPage?> ReadAsync(string statement, long contentBytes, bool isCut)
            {
                await using var command = new NpgsqlCommand(statement, connection);
                command.Parameters.AddRange(parameters(contentBytes));
                await database.PrepareAsync(command, cancellation);
                await using var reader = await command.ExecuteReaderAsync(cancellation);
                return await ReadPageAsync(reader, limit, maxBytes, isCut, cancellation);
            }
        }, cancellationToken);

    // Behind what was acknowledged, not at the dead rows of it.
    private static string Oldest(PostgreSqlStoreOptions options) => $"""
        FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_message
        WHERE user_id = $1 AND device_id = $2 AND sequence > greatest($3, (
            SELECT d.acknowledged FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_device d WHERE d.user_id = $1 AND d.device_id = $2))
        ORDER BY sequence LIMIT $4
        """;

    /// <summary>Reads a page from its rows.</summary>
    /// <param name="reader">The rows.</param>
    /// <param name="limit">The most messages.</param>
    /// <param name="maxBytes">The most bytes.</param>
    /// <param name="isCut">Whether the page ends where a content was left out.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>Null when a content that belongs to the page was left out.</returns>
    private static async ValueTask<InboxPage?> ReadPageAsync(
        NpgsqlDataReader reader, int limit, int maxBytes, bool isCut, CancellationToken cancellationToken)
    {
        var memory = new PageMemory();
        try
        {
            // Most pages are empty.
            List<(InboxPosition Position, string Sender, string EventType, DateTimeOffset CommittedAt, int Start, int Length)>? found = null;
            var hasMore = false;
            var bytes = 0L;
            while (await reader.ReadAsync(cancellationToken))
            {
                found ??= new(Math.Min(limit, UsualPage));
                var isLeftOut = reader.IsDBNull(4);
                hasMore = found.Count == limit || (isLeftOut && isCut);
                if (hasMore) break;

                if (isLeftOut)
                {
                    memory.Dispose();
                    return null;
                }

                var (sender, eventType) = (PostgreSqlText.Unescape(reader.GetString(2)), PostgreSqlText.Unescape(reader.GetString(3)));
                var length = (int)reader.GetBytes(4, 0, null, 0, 0);
                bytes += length + Encoding.UTF8.GetByteCount(eventType) + Encoding.UTF8.GetByteCount(sender);
                hasMore = found.Count > 0 && bytes > maxBytes;
                if (hasMore) break;

                var start = memory.Add(length);
                reader.GetBytes(4, 0, memory.Buffer, start, length);
                found.Add((
                    new InboxPosition(reader.GetInt64(0), reader.GetInt64(1)), sender, eventType, reader.GetFieldValue<DateTimeOffset>(5), start, length));
            }

            if (found is null) return InboxPage.Empty;
            return new InboxPage(
                found.ConvertAll(message => new InboxMessage(
                    message.Position, message.Sender, message.EventType, memory.Slice(message.Start, message.Length))
                {
                    CommittedAt = message.CommittedAt,
                }),
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
