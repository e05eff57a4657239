using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>Everything that is deleted: what a device or another server has, what nobody asks for any more, removed devices.</summary>
internal sealed class PostgreSqlCleaner(PostgreSqlDatabase database, PostgreSqlStoreOptions options, TimeProvider time)
{
    private readonly string _acknowledge = $"""
        DELETE FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_message
        WHERE user_id = $1 AND device_id = $2 AND sequence <= $3 AND EXISTS (
            SELECT FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_message
            WHERE user_id = $1 AND device_id = $2 AND sequence = $3 AND send_id = $4)
        """;

    private readonly string _remove = $"SELECT {PostgreSqlSchema.Quote(options.Schema)}.to_device_remove($1, $2, $3)";

    private readonly string _removeEdus =
        $"DELETE FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_edu WHERE destination = $1 AND position <= $2";

    // Hosts that purge at the same time share the work. A record that is used at this moment is looked at again.
    private readonly string _purgeRecords = $"""
        WITH due AS MATERIALIZED (
            SELECT user_id, device_id, key FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_transaction
            WHERE last_used < $1 ORDER BY last_used LIMIT $2 FOR UPDATE SKIP LOCKED)
        DELETE FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_transaction t USING due
        WHERE t.user_id = due.user_id AND t.device_id = due.device_id AND t.key = due.key
        """;

    // The counter of a device that has come back stays.
    private readonly string _purgeRemovals = $"""
        WITH due AS MATERIALIZED (
            SELECT user_id, device_id, last_sequence FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_device
            WHERE removal > 0 AND removed_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED),
        gone AS (
            DELETE FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_device d USING due
            WHERE due.last_sequence = 0 AND d.user_id = due.user_id AND d.device_id = due.device_id)
        UPDATE {PostgreSqlSchema.Quote(options.Schema)}.to_device_device d SET removal = 0, removed_at = NULL FROM due
        WHERE due.last_sequence > 0 AND d.user_id = due.user_id AND d.device_id = due.device_id
        """;

    /// <inheritdoc cref="IDeviceInbox.AcknowledgeAsync"/>
    public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken) =>
        ExecuteAsync(_acknowledge, cancellationToken, Text(PostgreSqlText.Key(device.UserId)), Text(PostgreSqlText.Key(device.DeviceId)),
            new NpgsqlParameter<long> { TypedValue = upTo.Sequence }, new NpgsqlParameter<long> { TypedValue = upTo.SendId });

    /// <summary>Ends a device; the result is the number of the removal.</summary>
    public ValueTask<long> RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) =>
        database.RunAsync(async (connection, cancellation) =>
        {
            // However full the inbox is.
            await using var command = new NpgsqlCommand(_remove, connection) { CommandTimeout = 0 };
            command.Parameters.Add(Text(PostgreSqlText.Key(device.UserId)));
            command.Parameters.Add(Text(PostgreSqlText.Key(device.DeviceId)));
            command.Parameters.Add(Time(time.GetUtcNow()));
            return (long)(await command.ExecuteScalarAsync(cancellation))!;
        }, cancellationToken);

    /// <inheritdoc cref="IFederationOutbox.RemoveAsync"/>
    public ValueTask<int> RemoveEdusAsync(string destination, long upTo, CancellationToken cancellationToken) =>
        ExecuteAsync(_removeEdus, cancellationToken, Text(destination), new NpgsqlParameter<long> { TypedValue = upTo });

    /// <inheritdoc cref="ITransactionStore.PurgeAsync"/>
    public async ValueTask<int> PurgeAsync(DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken)
    {
        await ExecuteAsync(_purgeRemovals, cancellationToken, Time(lastUsedBefore), new NpgsqlParameter<long> { TypedValue = atMost });
        return await ExecuteAsync(_purgeRecords, cancellationToken, Time(lastUsedBefore), new NpgsqlParameter<long> { TypedValue = atMost });
    }

    private ValueTask<int> ExecuteAsync(string sql, CancellationToken cancellationToken, params NpgsqlParameter[] parameters) =>
        database.RunAsync(async (connection, cancellation) =>
        {
            await using var command = new NpgsqlCommand(sql, connection);
            foreach (var parameter in parameters) command.Parameters.Add(parameter.Clone());
            await database.PrepareAsync(command, cancellation);
            return await command.ExecuteNonQueryAsync(cancellation);
        }, cancellationToken);

    private static NpgsqlParameter<string> Text(string value) => new() { TypedValue = value };

    private static NpgsqlParameter<DateTime> Time(DateTimeOffset value) =>
        new() { TypedValue = value.UtcDateTime, NpgsqlDbType = NpgsqlDbType.TimestampTz };
}
