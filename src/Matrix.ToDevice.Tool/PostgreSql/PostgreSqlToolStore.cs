using System.Text;
using Npgsql;
using static Matrix.ToDevice.Tool.PostgreSqlQueries;

namespace Matrix.ToDevice.Tool;

/// <summary>A PostgreSQL store, read at one moment while hosts use it.</summary>
internal sealed class PostgreSqlToolStore : IStore
{
    private readonly PostgreSqlAddress _address;
    private readonly FoundTables _tables;
    private readonly PostgreSqlQueries _queries;
    private Standstill? _standstill;

    private PostgreSqlToolStore(PostgreSqlAddress address, FoundTables tables, PostgreSqlQueries queries) =>
        (_address, _tables, _queries) = (address, tables, queries);

    /// <inheritdoc cref="FoundTables.IsDistributed"/>
    public bool IsDistributed => _tables.IsDistributed;

    public static async Task<PostgreSqlToolStore> OpenAsync(PostgreSqlAddress address, CancellationToken cancellationToken)
    {
        var connection = await PostgreSqlOpening.ConnectAsync(address, cancellationToken);
        try
        {
            var tables = await PostgreSqlOpening.FindAsync(connection, address, cancellationToken);
            PostgreSqlOpening.RequireCurrent(address, tables);
            return new PostgreSqlToolStore(address, tables, await BeginAsync(connection, address.Schema, cancellationToken));
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Before the first look into a store that is to be moved.</summary>
    /// <exception cref="ToolException">Something was accepted and is not delivered.</exception>
    public async Task StandStillAsync(CancellationToken cancellationToken) => _standstill = await Standstill.BeginAsync(_address, cancellationToken);

    public async Task<Inspection> InspectAsync(CancellationToken cancellationToken)
    {
        var messages = (await _queries.ListAsync($"""
            SELECT coalesce(sum(i.messages), 0)::bigint, coalesce(sum(i.bytes), 0)::bigint, count(*), min(i.oldest)
            FROM (SELECT count(*) AS messages, sum(octet_length(content))::bigint AS bytes, min(committed_at) AS oldest
                  FROM to_device_message GROUP BY {_tables.By}user_id, device_id) i
            """, row => new MessageTotals(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), Time(row, 3)), cancellationToken))[0];
        var inTrouble = (await _queries.ListAsync(
            "SELECT count(*) FROM to_device_lease WHERE failures > 0 AND is_waiting", row => row.GetInt64(0), cancellationToken))[0];
        var outbox = (await _queries.ListAsync($"""
            SELECT coalesce(sum(d.edus), 0)::bigint, coalesce(sum(d.bytes), 0)::bigint, count(*), min(d.oldest)
            FROM (SELECT count(*) AS edus, sum(octet_length(content))::bigint AS bytes, min(committed_at) AS oldest
                  FROM to_device_edu GROUP BY {_tables.By}destination) d
            """, row => new OutboxTotals(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), inTrouble, Time(row, 3)), cancellationToken))[0];
        var records = (await _queries.ListAsync(
            $"SELECT count(*) FILTER (WHERE device_id <> {PostgreSqlText.OtherServerSql}), count(*) FILTER (WHERE device_id = {PostgreSqlText.OtherServerSql}), min(last_used) FROM to_device_transaction",
            row => new RecordTotals(row.GetInt64(0), row.GetInt64(1), Time(row, 2)), cancellationToken))[0];
        var undelivered = !IsDistributed ? null : (await _queries.ListAsync(
            "SELECT count(*), min(accepted_at) FROM to_device_intent", row => new UndeliveredTotals(row.GetInt64(0), Time(row, 1)), cancellationToken))[0];
        // What lies on other machines, only they can tell.
        var size = _tables.Layout == PostgreSqlLayout.Citus ? "citus_total_relation_size" : "pg_total_relation_size";
        var sizes = await _queries.ListAsync($"""
            SELECT c.relname, {size}(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname LIKE 'to\_device\_%' ORDER BY 2 DESC, 1
            """, row => new SizeLine(row.GetString(0), row.GetInt64(1)), cancellationToken, Of(_address.Schema));
        return new Inspection(
            _address.Name, "postgresql", $"{_tables.Layout}", _tables.CurrentVersion, await IsInUseAsync(cancellationToken), messages, undelivered, outbox,
            records, sizes);
    }

    /// <inheritdoc cref="PostgreSqlOpening.IsInUseAsync"/>
    public Task<bool> IsInUseAsync(CancellationToken cancellationToken) =>
        PostgreSqlOpening.IsInUseAsync(_queries.Connection, _address.Schema, cancellationToken);

    public async Task<IReadOnlyList<InboxLine>> InboxesAsync(InboxQuery query, CancellationToken cancellationToken)
    {
        var order = query.Order switch { InboxOrder.Messages => "messages DESC", InboxOrder.Bytes => "bytes DESC", _ => "oldest NULLS LAST" };
        return await _queries.ListAsync($"""
            SELECT user_id, device_id, count(*) AS messages, sum(octet_length(content))::bigint AS bytes, min(committed_at) AS oldest FROM to_device_message
            WHERE $1 = '' OR user_id = $1 GROUP BY {_tables.By}user_id, device_id ORDER BY {order}, user_id, device_id LIMIT $2 OFFSET $3
            """,
            row => new InboxLine(Name(row, 0), Name(row, 1), row.GetInt64(2), row.GetInt64(3), Time(row, 4)), cancellationToken,
            Of(query.UserId is null ? "" : PostgreSqlText.Key(query.UserId)), Of(query.Limit), Of(query.Skip));
    }

    public async Task<IReadOnlyList<DestinationLine>> DestinationsAsync(DestinationQuery query, CancellationToken cancellationToken) => await _queries.ListAsync($"""
        SELECT destination, count(*), sum(octet_length(e.content))::bigint, min(e.committed_at) AS oldest, coalesce(l.failures, 0)::bigint AS failures,
            CASE WHEN l.taken_until > now() THEN l.taken_until END, l.holder
        FROM to_device_edu e LEFT JOIN to_device_lease l USING ({_tables.By}destination)
        GROUP BY {_tables.By}destination, l.failures, l.taken_until, l.holder ORDER BY failures DESC, oldest, destination LIMIT $1 OFFSET $2
        """,
        row => new DestinationLine(
            row.GetString(0), row.GetInt64(1), row.GetInt64(2), Time(row, 3), row.GetInt64(4), Time(row, 5), row.IsDBNull(6) ? null : row.GetString(6)),
        cancellationToken, Of(query.Limit), Of(query.Skip));

    public async Task<IReadOnlyList<MessageLine>> MessagesAsync(
        DeviceAddress device, bool withContents, int limit, CancellationToken cancellationToken) => await _queries.ListAsync($"""
        SELECT sequence, send_id, sender, event_type, octet_length(content), committed_at, CASE WHEN $3 THEN content END
        FROM to_device_message WHERE {_tables.OfUser(PostgreSqlText.Key(device.UserId))}user_id = $1 AND device_id = $2 ORDER BY sequence LIMIT $4
        """,
        row => new MessageLine(
            row.GetInt64(0), row.GetInt64(1), PostgreSqlText.Unescape(row.GetString(2)), PostgreSqlText.Unescape(row.GetString(3)), row.GetInt32(4),
            Time(row, 5), row.IsDBNull(6) ? null : Encoding.UTF8.GetString(row.GetFieldValue<byte[]>(6))),
        cancellationToken, Of(PostgreSqlText.Key(device.UserId)), Of(PostgreSqlText.Key(device.DeviceId)), Of(withContents), Of(limit));

    public async Task<IReadOnlyList<DeviceAddress>> DevicesAsync(string userId, CancellationToken cancellationToken)
    {
        var (userKey, bucket) = (PostgreSqlText.Key(userId), _tables.OfUser(PostgreSqlText.Key(userId)));
        var found = await _queries.ListAsync($"""
            SELECT device_id FROM to_device_device WHERE {bucket}user_id = $1
            UNION SELECT device_id FROM to_device_transaction WHERE {bucket}user_id = $1 ORDER BY device_id
            """, row => row.GetString(0), cancellationToken, Of(userKey));
        var names = found.Where(name => !IsNoDevice(name)).Select(StoredName.OfKey).ToList();
        if (names.Exists(name => name.IsFingerprint))
        {
            throw ToolException.Refused(
                "This user has a device whose ID of more than 300 characters is kept as its fingerprint. Nobody can tell it from that: purge the devices one by one.");
        }

        return [.. names.Select(name => new DeviceAddress(userId, name.Text))];
    }

    public async Task<InboxEnd> EndOfInboxAsync(DeviceAddress device, CancellationToken cancellationToken) => (await _queries.ListAsync($"""
        SELECT count(*), coalesce(sum(octet_length(content)), 0)::bigint, coalesce(max(sequence), 0),
            coalesce((array_agg(send_id ORDER BY sequence DESC))[1], 0)
        FROM to_device_message WHERE {_tables.OfUser(PostgreSqlText.Key(device.UserId))}user_id = $1 AND device_id = $2
        """,
        row => new InboxEnd(row.GetInt64(0), row.GetInt64(1), new InboxPosition(row.GetInt64(2), row.GetInt64(3))), cancellationToken,
        Of(PostgreSqlText.Key(device.UserId)), Of(PostgreSqlText.Key(device.DeviceId))))[0];

    public async Task<DestinationEnd> EndOfDestinationAsync(string destination, CancellationToken cancellationToken) => (await _queries.ListAsync(
        $"""
        SELECT count(*), coalesce(sum(octet_length(content)), 0)::bigint, coalesce(max(position), 0) FROM to_device_edu
        WHERE {_tables.OfDestination(destination)}destination = $1
        """,
        row => new DestinationEnd(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2)), cancellationToken, Of(destination)))[0];

    public Task VerifyAsync(Findings findings, IProgress<long> progress, CancellationToken cancellationToken) =>
        new PostgreSqlVerification(_queries, _address.Schema, _tables, findings, progress).RunAsync(cancellationToken);

    public async Task SendAsync(IMoveTarget target, IProgress<long> progress, CancellationToken cancellationToken)
    {
        await new PostgreSqlSource(_queries, _tables, target, progress).SendAsync(cancellationToken);
        if (_standstill is not null) await _standstill.RequireAsync(cancellationToken);
        await target.CompleteAsync(cancellationToken);
    }

    public ValueTask DisposeAsync() => _queries.DisposeAsync();

    /// <summary>In the place of a device: there is none.</summary>
    public static bool IsNoDevice(string deviceKey) => deviceKey is PostgreSqlText.NoDevice or PostgreSqlText.OtherServer;

    private static string Name(NpgsqlDataReader row, int column) => StoredName.OfKey(row.GetString(column)).ToString();
}
