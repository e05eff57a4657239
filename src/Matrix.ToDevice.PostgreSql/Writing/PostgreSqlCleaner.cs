using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>Everything that is deleted: what a device has, what nobody asks for any more, removed devices.</summary>
internal sealed class PostgreSqlCleaner(PostgreSqlDatabase database, PostgreSqlStoreOptions options, TimeProvider time, KnownRemovals knownRemovals) : ICleaner
{
    // So many are deleted while others wait for the device's row, some milliseconds.
    private const long MostAtOnce = 1000;

    private readonly string _acknowledge = $"SELECT {PostgreSqlSchema.Quote(options.Schema)}.to_device_acknowledge($1, $2, $3, $4, $5)";

    private readonly string _remove = $"SELECT {PostgreSqlSchema.Quote(options.Schema)}.to_device_remove($1, $2, $3)";

    private readonly string _purgeSends = PurgeRecords(options, "<>"), _purgeEdus = PurgeRecords(options, "=");

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
    public async ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken)
    {
        for (var deleted = 0; ;)
        {
            // Each one is a transaction of its own: the counter of a long inbox is free in between.
            var portion = await database.RunAsync(
                (connection, cancellation) => AcknowledgePortionAsync(connection, device, upTo, cancellation), cancellationToken);
            if (portion >= 0) return deleted + (int)portion;
            deleted += (int)(-1 - portion);
        }
    }

    /// <inheritdoc cref="IDeviceInbox.RemoveDeviceAsync"/>
    public async ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) =>
        knownRemovals.Learn(await database.RunAsync((connection, cancellation) => RemoveDeviceAsync(connection, device, cancellation), cancellationToken));

    /// <inheritdoc cref="PostgreSqlDevices.RemoveAndCommitAsync"/>
    public async ValueTask RemoveAndCommitAsync(NpgsqlTransaction transaction, DeviceAddress device, CancellationToken cancellationToken)
    {
        try
        {
            knownRemovals.Learn(await database.ConfirmedAsync(transaction.Connection!, async (connection, cancellation) =>
            {
                var number = await RemoveDeviceAsync(connection, device, cancellation);
                await transaction.CommitAsync(CancellationToken.None);
                return number;
            }, cancellationToken));
        }
        catch (Exception exception) when (exception is not (OperationCanceledException or PostgreSqlStoreException))
        {
            throw database.Explain(exception);
        }
    }

    /// <inheritdoc cref="ITransactionStore.PurgeAsync"/>
    public async ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken)
    {
        var purgeRecords = endpoint == TransactionKey.DirectToDevice ? _purgeEdus : _purgeSends;
        await ExecuteAsync(_purgeRemovals, cancellationToken, Time(lastUsedBefore), new NpgsqlParameter<long> { TypedValue = atMost });
        return await ExecuteAsync(purgeRecords, cancellationToken, Time(lastUsedBefore), new NpgsqlParameter<long> { TypedValue = atMost });
    }

    private async ValueTask<long> AcknowledgePortionAsync(
        NpgsqlConnection connection, DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(_acknowledge, connection)
        {
            Parameters =
            {
                Text(PostgreSqlText.Key(device.UserId)),
                Text(PostgreSqlText.Key(device.DeviceId)),
                new NpgsqlParameter<long> { TypedValue = upTo.Sequence },
                new NpgsqlParameter<long> { TypedValue = upTo.SendId },
                new NpgsqlParameter<long> { TypedValue = MostAtOnce },
            },
        };
        await database.PrepareAsync(command, cancellationToken);
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private async ValueTask<long> RemoveDeviceAsync(NpgsqlConnection connection, DeviceAddress device, CancellationToken cancellationToken)
    {
        // However full the inbox is.
        await using var command = new NpgsqlCommand(_remove, connection) { CommandTimeout = 0 };
        command.Parameters.Add(Text(PostgreSqlText.Key(device.UserId)));
        command.Parameters.Add(Text(PostgreSqlText.Key(device.DeviceId)));
        command.Parameters.Add(Time(time.GetUtcNow()));
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    // Hosts that purge at the same time share the work. A record that is used at this moment is looked at again. They are
    // deleted by their places: a join would be planned without knowing how few they are, and read the whole table.
    private static string PurgeRecords(PostgreSqlStoreOptions options, string comparison) => $"""
        WITH due AS MATERIALIZED (
            SELECT ctid FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_transaction
            WHERE device_id {comparison} {PostgreSqlText.OtherServerSql} AND last_used < $1
            ORDER BY last_used LIMIT $2 FOR UPDATE SKIP LOCKED)
        DELETE FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_transaction WHERE ctid = ANY (ARRAY (SELECT due.ctid FROM due))
        """;

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
