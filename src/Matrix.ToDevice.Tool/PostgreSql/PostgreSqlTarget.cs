using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice.Tool;

/// <summary>
/// Takes everything into the empty tables of a PostgreSQL store, in one transaction: whatever ends it before the end leaves them empty. Until
/// then, no host can write to them.
/// </summary>
internal sealed class PostgreSqlTarget : IMoveTarget
{
    // In the order in which hosts come to them.
    private static readonly string[] s_tables = ["device", "message", "transaction", "destination", "lease", "edu"], s_tablesOfMany = [.. s_tables, "intent", "delivered"];

    private readonly PostgreSqlAddress _address;
    private readonly FoundTables _tables;
    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlTransaction _transaction;

    // Destinations are written when all EDUs have come. Where a transaction was tried: up to which of these, by its old position and by its new one.
    private readonly List<DestinationEntry> _destinations = [];
    private readonly Dictionary<string, (long Old, long New)> _sendingUpTo = [];
    private long _firstPosition;
    private (string? Destination, long Position) _last;
    private NpgsqlBinaryImporter? _rows;
    private string? _table;

    private PostgreSqlTarget(PostgreSqlAddress address, FoundTables tables, NpgsqlConnection connection, NpgsqlTransaction transaction) =>
        (_address, _tables, _connection, _transaction) = (address, tables, connection, transaction);

    private string[] Names => _tables.IsDistributed ? s_tablesOfMany : s_tables;

    private string Tables => string.Join(", ", Names.Select(table => $"{PostgreSqlOpening.Quote(_address.Schema)}.to_device_{table}"));

    /// <summary>Opens it, and makes the tables when there is no such schema.</summary>
    /// <exception cref="ToolException">They are not empty.</exception>
    public static async Task<PostgreSqlTarget> OpenAsync(PostgreSqlAddress address, CancellationToken cancellationToken)
    {
        var connection = await PostgreSqlOpening.ConnectAsync(address, cancellationToken);
        try
        {
            var tables = await PostgreSqlOpening.FindAsync(connection, address, cancellationToken);
            if (tables.Version is null) await (await StoreServices.OpenAsync(address, migrate: true, cancellationToken)).DisposeAsync();
            else PostgreSqlOpening.RequireCurrent(address, tables);
            // They look for records under nobody's name when they start.
            if (tables.IsDistributed && await PostgreSqlOpening.IsInUseAsync(connection, address.Schema, cancellationToken))
                throw ToolException.Refused($"Hosts seem to be connected to {address.Name}. Stop them: they begin with what was moved.");

            var transaction = await connection.BeginTransactionAsync(cancellationToken);
            var target = new PostgreSqlTarget(address, tables, connection, transaction);
            await target.ExecuteAsync("SET LOCAL lock_timeout = '5s'; SET LOCAL synchronous_commit = on; SET LOCAL jit = off", cancellationToken);
            await target.ExecuteAsync(PostgreSqlOpening.SetPath(address.Schema), cancellationToken);
            await target.ExecuteAsync($"LOCK TABLE {target.Tables} IN SHARE ROW EXCLUSIVE MODE", cancellationToken);
            foreach (var table in target.Names)
            {
                if (await target.ExecuteAsync($"SELECT count(*) FROM (SELECT 1 FROM to_device_{table} LIMIT 1) first", cancellationToken) is not 0L)
                {
                    throw ToolException.Refused(
                        $"{address.Name} is not empty: to_device_{table} has rows. What is moved needs a store of its own: name another schema.");
                }
            }

            target._firstPosition = (long)(await target.ExecuteAsync("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint", cancellationToken))!;
            return target;
        }
        catch (Exception exception)
        {
            await connection.DisposeAsync();
            if (exception is OperationCanceledException) throw;
            throw StoreErrors.Explain(exception, address.Name) ?? exception;
        }
    }

    public async ValueTask AddAsync(DeviceEntry device, CancellationToken cancellationToken)
    {
        var rows = await BeginRowAsync(
            "device", $"user_id, device_id, last_sequence, acknowledged, removal{(_tables.IsDistributed ? ", last_send" : "")}",
            Buckets.Of(device.Device.User.Key), cancellationToken);
        await rows.WriteAsync(device.Device.User.Key, NpgsqlDbType.Text, cancellationToken);
        await rows.WriteAsync(device.Device.Device.Key, NpgsqlDbType.Text, cancellationToken);
        await rows.WriteAsync(device.LastSequence, NpgsqlDbType.Bigint, cancellationToken);
        await rows.WriteAsync(device.Acknowledged, NpgsqlDbType.Bigint, cancellationToken);
        await rows.WriteAsync(0L, NpgsqlDbType.Bigint, cancellationToken);
        // The numbers of sends follow the clock.
        if (_tables.IsDistributed) await rows.WriteAsync(0L, NpgsqlDbType.Bigint, cancellationToken);
    }

    public async ValueTask AddAsync(MessageEntry message, CancellationToken cancellationToken)
    {
        var rows = await BeginRowAsync(
            "message", "user_id, device_id, sequence, send_id, sender, event_type, content, committed_at", Buckets.Of(message.Device.User.Key),
            cancellationToken);
        await rows.WriteAsync(message.Device.User.Key, NpgsqlDbType.Text, cancellationToken);
        await rows.WriteAsync(message.Device.Device.Key, NpgsqlDbType.Text, cancellationToken);
        await rows.WriteAsync(message.Sequence, NpgsqlDbType.Bigint, cancellationToken);
        await rows.WriteAsync(message.SendId, NpgsqlDbType.Bigint, cancellationToken);
        await rows.WriteAsync(PostgreSqlText.Escape(message.Sender), NpgsqlDbType.Text, cancellationToken);
        await rows.WriteAsync(PostgreSqlText.Escape(message.EventType), NpgsqlDbType.Text, cancellationToken);
        await rows.WriteAsync(message.Content, NpgsqlDbType.Bytea, cancellationToken);
        await rows.WriteAsync((message.CommittedAt ?? DateTimeOffset.UnixEpoch).UtcDateTime, NpgsqlDbType.TimestampTz, cancellationToken);
    }

    public async ValueTask AddAsync(RecordEntry record, CancellationToken cancellationToken)
    {
        // Whose it is, SQLite does not know where there is no device: such a record stands under nobody's name, and hosts find it there.
        var userKey = record.User?.Key ?? PostgreSqlText.Nobody;
        var rows = await BeginRowAsync("transaction", "user_id, device_id, key, commit_id, last_used", Buckets.Of(userKey), cancellationToken);
        await rows.WriteAsync(userKey, NpgsqlDbType.Text, cancellationToken);
        await rows.WriteAsync(
            record.Owner switch
            {
                RecordOwner.NoDevice => PostgreSqlText.NoDevice,
                RecordOwner.OtherServer => PostgreSqlText.OtherServer,
                _ => record.Device!.Value.Key,
            }, NpgsqlDbType.Text, cancellationToken);
        await rows.WriteAsync(new Guid(record.Key, bigEndian: true), NpgsqlDbType.Uuid, cancellationToken);
        // No attempt that is under way has this one.
        await rows.WriteAsync(-1L, NpgsqlDbType.Bigint, cancellationToken);
        await rows.WriteAsync(record.LastUsed.UtcDateTime, NpgsqlDbType.TimestampTz, cancellationToken);
    }

    public ValueTask AddAsync(DestinationEntry destination, CancellationToken cancellationToken)
    {
        _destinations.Add(destination);
        if (destination.SendingUpTo > 0) _sendingUpTo[destination.Destination] = (destination.SendingUpTo, 0);
        return default;
    }

    /// <summary>Here, positions have no gaps, and the first one follows the clock (functions.sql).</summary>
    public async ValueTask AddAsync(EduEntry edu, CancellationToken cancellationToken)
    {
        var rows = await BeginRowAsync(
            "edu", "destination, position, message_id, content, committed_at", Buckets.OfDestination(edu.Destination), cancellationToken);
        await rows.WriteAsync(Checked(edu.Destination), NpgsqlDbType.Text, cancellationToken);
        _last = (edu.Destination, _last.Destination == edu.Destination ? _last.Position + 1 : _firstPosition);
        if (_sendingUpTo.TryGetValue(edu.Destination, out var tried) && edu.Position <= tried.Old) _sendingUpTo[edu.Destination] = tried with { New = _last.Position };
        await rows.WriteAsync(_last.Position, NpgsqlDbType.Bigint, cancellationToken);
        await rows.WriteAsync(Checked(edu.MessageId), NpgsqlDbType.Text, cancellationToken);
        await rows.WriteAsync(edu.Content, NpgsqlDbType.Bytea, cancellationToken);
        await rows.WriteAsync(edu.CommittedAt.UtcDateTime, NpgsqlDbType.TimestampTz, cancellationToken);
    }

    public async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        foreach (var destination in _destinations) await AddLeaseAsync(destination, cancellationToken);
        await EndRowsAsync(cancellationToken);
        var by = _tables.By;
        await ExecuteAsync(
            $"INSERT INTO to_device_destination ({by}destination, last_position) SELECT {by}destination, max(position) FROM to_device_edu GROUP BY {by}destination",
            cancellationToken);
        // Hosts begin with plans for tables that are not empty.
        await ExecuteAsync($"ANALYZE {Tables}", cancellationToken);
        // Whoever interrupts it from here on is too late: what ends with an error has changed nothing.
        await _transaction.CommitAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        // Without its end, the copy is undone, and the transaction with it.
        if (_rows is not null) await _rows.DisposeAsync();
        await _transaction.DisposeAsync();
        await _connection.DisposeAsync();
    }

    private async ValueTask AddLeaseAsync(DestinationEntry destination, CancellationToken cancellationToken)
    {
        var rows = await BeginRowAsync(
            "lease", "destination, is_waiting, taken_until, due_at, sending_up_to, failures, removed_up_to", Buckets.OfDestination(destination.Destination),
            cancellationToken);
        await rows.WriteAsync(Checked(destination.Destination), NpgsqlDbType.Text, cancellationToken);
        await rows.WriteAsync(true, NpgsqlDbType.Boolean, cancellationToken);
        await rows.WriteAsync(destination.FreeAt.UtcDateTime, NpgsqlDbType.TimestampTz, cancellationToken);
        await rows.WriteAsync(destination.FreeAt.UtcDateTime, NpgsqlDbType.TimestampTz, cancellationToken);
        await rows.WriteAsync(_sendingUpTo.GetValueOrDefault(destination.Destination).New, NpgsqlDbType.Bigint, cancellationToken);
        await rows.WriteAsync(destination.Failures, NpgsqlDbType.Integer, cancellationToken);
        await rows.WriteAsync(0L, NpgsqlDbType.Bigint, cancellationToken);
    }

    private async ValueTask<NpgsqlBinaryImporter> BeginRowAsync(string table, string columns, int bucket, CancellationToken cancellationToken)
    {
        if (_table != table)
        {
            await EndRowsAsync(cancellationToken);
            _rows = await _connection.BeginBinaryImportAsync($"COPY to_device_{table} ({_tables.By}{columns}) FROM STDIN (FORMAT BINARY)", cancellationToken);
            _table = table;
        }

        await _rows!.StartRowAsync(cancellationToken);
        if (_tables.IsDistributed) await _rows.WriteAsync(bucket, NpgsqlDbType.Integer, cancellationToken);
        return _rows;
    }

    private async ValueTask EndRowsAsync(CancellationToken cancellationToken)
    {
        if (_rows is null) return;
        await _rows.CompleteAsync(cancellationToken);
        await _rows.DisposeAsync();
        _rows = null;
    }

    private string Checked(string name)
    {
        try
        {
            PostgreSqlText.CheckName(name, nameof(name));
            return name;
        }
        catch (ArgumentException)
        {
            throw ToolException.Refused($"{_address.Name} cannot hold a destination or message_id of more than 300 characters, or with a NUL. Purge that destination first.");
        }
    }

    private async Task<object?> ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, _connection);
        return await command.ExecuteScalarAsync(cancellationToken);
    }
}
