using System.Text;
using Npgsql;
using static Matrix.ToDevice.Tool.PostgreSqlQueries;

namespace Matrix.ToDevice.Tool;

/// <summary>A PostgreSQL store, read at one moment while hosts use it.</summary>
internal sealed class PostgreSqlToolStore : IStore
{
    private readonly PostgreSqlAddress _address;
    private readonly PostgreSqlQueries _queries;

    private PostgreSqlToolStore(PostgreSqlAddress address, PostgreSqlQueries queries) => (_address, _queries) = (address, queries);

    public static async Task<PostgreSqlToolStore> OpenAsync(PostgreSqlAddress address, CancellationToken cancellationToken)
    {
        var connection = await PostgreSqlOpening.ConnectAsync(address, cancellationToken);
        try
        {
            PostgreSqlOpening.RequireCurrent(address, await PostgreSqlOpening.FindVersionAsync(connection, address.Schema, cancellationToken));
            return new PostgreSqlToolStore(address, await BeginAsync(connection, address.Schema, cancellationToken));
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    public async Task<Inspection> InspectAsync(CancellationToken cancellationToken)
    {
        var messages = (await _queries.ListAsync(
            "SELECT count(*), coalesce(sum(octet_length(content)), 0)::bigint, count(DISTINCT (user_id, device_id)), min(committed_at) FROM to_device_message",
            row => new MessageTotals(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), Time(row, 3)), cancellationToken))[0];
        var outbox = (await _queries.ListAsync("""
            SELECT count(*), coalesce(sum(octet_length(content)), 0)::bigint, count(DISTINCT destination), min(committed_at),
                (SELECT count(*) FROM to_device_lease l WHERE l.failures > 0 AND l.is_waiting)
            FROM to_device_edu
            """, row => new OutboxTotals(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(4), Time(row, 3)), cancellationToken))[0];
        var records = (await _queries.ListAsync(
            $"SELECT count(*) FILTER (WHERE device_id <> {PostgreSqlText.OtherServerSql}), count(*) FILTER (WHERE device_id = {PostgreSqlText.OtherServerSql}), min(last_used) FROM to_device_transaction",
            row => new RecordTotals(row.GetInt64(0), row.GetInt64(1), Time(row, 2)), cancellationToken))[0];
        var sizes = await _queries.ListAsync("""
            SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname LIKE 'to\_device\_%' ORDER BY 2 DESC, 1
            """, row => new SizeLine(row.GetString(0), row.GetInt64(1)), cancellationToken, Of(_address.Schema));
        return new Inspection(
            _address.Name, "postgresql", PostgreSqlOpening.SchemaVersion, await IsInUseAsync(cancellationToken), messages, outbox, records, sizes);
    }

    /// <summary>Whether a host seems to be connected: one that listens, or that has asked for our tables last.</summary>
    public async Task<bool> IsInUseAsync(CancellationToken cancellationToken) => (await _queries.ListAsync("""
        SELECT EXISTS (
            SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND application_name <> 'matrix-to-device'
                AND (query LIKE 'LISTEN "to_device ' || $1 || '"%' OR query LIKE '%"' || $1 || '".to_device_%'))
        """, row => row.GetBoolean(0), cancellationToken, Of(_address.Schema)))[0];

    public async Task<IReadOnlyList<InboxLine>> InboxesAsync(InboxQuery query, CancellationToken cancellationToken)
    {
        var order = query.Order switch { InboxOrder.Messages => "messages DESC", InboxOrder.Bytes => "bytes DESC", _ => "oldest NULLS LAST" };
        return await _queries.ListAsync($"""
            SELECT user_id, device_id, count(*) AS messages, sum(octet_length(content))::bigint AS bytes, min(committed_at) AS oldest FROM to_device_message
            WHERE $1 = '' OR user_id = $1 GROUP BY user_id, device_id ORDER BY {order}, user_id, device_id LIMIT $2 OFFSET $3
            """,
            row => new InboxLine(Name(row, 0), Name(row, 1), row.GetInt64(2), row.GetInt64(3), Time(row, 4)), cancellationToken,
            Of(query.UserId is null ? "" : PostgreSqlText.Key(query.UserId)), Of(query.Limit), Of(query.Skip));
    }

    public async Task<IReadOnlyList<DestinationLine>> DestinationsAsync(DestinationQuery query, CancellationToken cancellationToken) => await _queries.ListAsync("""
        SELECT e.destination, count(*), sum(octet_length(e.content))::bigint, min(e.committed_at) AS oldest, coalesce(l.failures, 0)::bigint AS failures,
            CASE WHEN l.taken_until > now() THEN l.taken_until END, l.holder
        FROM to_device_edu e LEFT JOIN to_device_lease l ON l.destination = e.destination
        GROUP BY e.destination, l.failures, l.taken_until, l.holder ORDER BY failures DESC, oldest, e.destination LIMIT $1 OFFSET $2
        """,
        row => new DestinationLine(
            row.GetString(0), row.GetInt64(1), row.GetInt64(2), Time(row, 3), row.GetInt64(4), Time(row, 5), row.IsDBNull(6) ? null : row.GetString(6)),
        cancellationToken, Of(query.Limit), Of(query.Skip));

    public async Task<IReadOnlyList<MessageLine>> MessagesAsync(
        DeviceAddress device, bool withContents, int limit, CancellationToken cancellationToken) => await _queries.ListAsync("""
        SELECT sequence, send_id, sender, event_type, octet_length(content), committed_at, CASE WHEN $3 THEN content END
        FROM to_device_message WHERE user_id = $1 AND device_id = $2 ORDER BY sequence LIMIT $4
        """,
        row => new MessageLine(
            row.GetInt64(0), row.GetInt64(1), PostgreSqlText.Unescape(row.GetString(2)), PostgreSqlText.Unescape(row.GetString(3)), row.GetInt32(4),
            Time(row, 5), row.IsDBNull(6) ? null : Encoding.UTF8.GetString(row.GetFieldValue<byte[]>(6))),
        cancellationToken, Of(PostgreSqlText.Key(device.UserId)), Of(PostgreSqlText.Key(device.DeviceId)), Of(withContents), Of(limit));

    public async Task<IReadOnlyList<DeviceAddress>> DevicesAsync(string userId, CancellationToken cancellationToken)
    {
        var found = await _queries.ListAsync("""
            SELECT device_id FROM to_device_device WHERE user_id = $1
            UNION SELECT device_id FROM to_device_transaction WHERE user_id = $1 ORDER BY device_id
            """, row => row.GetString(0), cancellationToken, Of(PostgreSqlText.Key(userId)));
        var names = found.Where(name => !IsNoDevice(name)).Select(StoredName.OfKey).ToList();
        if (names.Exists(name => name.IsFingerprint))
        {
            throw ToolException.Refused(
                "This user has a device whose ID of more than 300 characters is kept as its fingerprint. Nobody can tell it from that: purge the devices one by one.");
        }

        return [.. names.Select(name => new DeviceAddress(userId, name.Text))];
    }

    public async Task<InboxEnd> EndOfInboxAsync(DeviceAddress device, CancellationToken cancellationToken) => (await _queries.ListAsync("""
        SELECT count(*), coalesce(sum(octet_length(content)), 0)::bigint, coalesce(max(sequence), 0),
            coalesce((array_agg(send_id ORDER BY sequence DESC))[1], 0)
        FROM to_device_message WHERE user_id = $1 AND device_id = $2
        """,
        row => new InboxEnd(row.GetInt64(0), row.GetInt64(1), new InboxPosition(row.GetInt64(2), row.GetInt64(3))), cancellationToken,
        Of(PostgreSqlText.Key(device.UserId)), Of(PostgreSqlText.Key(device.DeviceId))))[0];

    public async Task<DestinationEnd> EndOfDestinationAsync(string destination, CancellationToken cancellationToken) => (await _queries.ListAsync(
        "SELECT count(*), coalesce(sum(octet_length(content)), 0)::bigint, coalesce(max(position), 0) FROM to_device_edu WHERE destination = $1",
        row => new DestinationEnd(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2)), cancellationToken, Of(destination)))[0];

    public Task VerifyAsync(Findings findings, IProgress<long> progress, CancellationToken cancellationToken) =>
        new PostgreSqlVerification(_queries, _address.Schema, findings, progress).RunAsync(cancellationToken);

    public Task SendAsync(IMoveTarget target, IProgress<long> progress, CancellationToken cancellationToken) =>
        new PostgreSqlSource(_queries, target, progress).SendAsync(cancellationToken);

    public ValueTask DisposeAsync() => _queries.DisposeAsync();

    /// <summary>In the place of a device: there is none.</summary>
    public static bool IsNoDevice(string deviceKey) => deviceKey is PostgreSqlText.NoDevice or PostgreSqlText.OtherServer;

    private static string Name(NpgsqlDataReader row, int column) => StoredName.OfKey(row.GetString(column)).ToString();
}
