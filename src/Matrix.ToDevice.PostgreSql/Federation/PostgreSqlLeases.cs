using Npgsql;

namespace Matrix.ToDevice;

/// <summary>
/// Who sends to which destination. All times are the database's, so that hosts need not have the same. A call whose answer
/// was lost is repeated: what it had taken then stays taken until its time has run out.
/// </summary>
internal sealed class PostgreSqlLeases(PostgreSqlDatabase database, PostgreSqlStoreOptions options)
{
    // What another host is just taking, renewing or releasing is passed over: nobody waits. The time is a subquery, because the
    // index is not searched for something that may change from row to row. EDUs may have been deleted by hand. The rows are
    // updated by an array of their keys: a join would be planned without knowing how few they are, and read the whole table.
    private readonly string _acquire = $"""
        WITH free AS MATERIALIZED (
            SELECT l.destination, l.taken_until FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_lease l
            WHERE l.is_waiting AND l.taken_until <= (SELECT clock_timestamp())
                AND EXISTS (SELECT FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_edu e WHERE e.destination = l.destination)
            ORDER BY l.taken_until LIMIT $3 FOR UPDATE OF l SKIP LOCKED),
        taken AS (
            UPDATE {PostgreSqlSchema.Quote(options.Schema)}.to_device_lease l SET holder = $1, taken_until = clock_timestamp() + $2
            WHERE l.destination = ANY (ARRAY (SELECT free.destination FROM free))
            RETURNING l.destination, l.sending_up_to, l.failures)
        SELECT taken.destination, taken.sending_up_to, taken.failures FROM taken JOIN free USING (destination) ORDER BY free.taken_until
        """;

    private readonly string _renew = $"SELECT {PostgreSqlSchema.Quote(options.Schema)}.to_device_renew($1, $2, $3, $4)";

    private readonly string _release = $"""
        UPDATE {PostgreSqlSchema.Quote(options.Schema)}.to_device_lease
        SET holder = NULL, failures = $3, taken_until = clock_timestamp() + $4 WHERE destination = $1 AND holder = $2
        """;

    /// <inheritdoc cref="IFederationOutbox.AcquireAsync"/>
    public ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, CancellationToken cancellationToken) =>
        RunAsync<IReadOnlyList<OutboxLease>>(_acquire, async (command, cancellation) =>
        {
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            var taken = new List<OutboxLease>();
            while (await reader.ReadAsync(cancellation)) taken.Add(new OutboxLease(reader.GetString(0), reader.GetInt64(1), reader.GetInt32(2)));
            return taken;
        }, cancellationToken, Of(holder), Of(duration), Of((long)limit));

    /// <inheritdoc cref="IFederationOutbox.RenewAsync"/>
    public ValueTask<bool> RenewAsync(
        string destination, string holder, TimeSpan duration, long sendingUpTo, CancellationToken cancellationToken) =>
        RunAsync(
            _renew, async (command, cancellation) => (bool)(await command.ExecuteScalarAsync(cancellation))!, cancellationToken,
            Of(destination), Of(holder), Of(duration), Of(sendingUpTo));

    /// <inheritdoc cref="IFederationOutbox.ReleaseAsync"/>
    public async ValueTask ReleaseAsync(
        string destination, string holder, int failures, TimeSpan pause, CancellationToken cancellationToken) =>
        await RunAsync(
            _release, async (command, cancellation) => await command.ExecuteNonQueryAsync(cancellation), cancellationToken,
            Of(destination), Of(holder), Of(failures), Of(pause));

    private ValueTask<T> RunAsync<T>(
        string sql, Func<NpgsqlCommand, CancellationToken, ValueTask<T>> run, CancellationToken cancellationToken,
        params NpgsqlParameter[] parameters) =>
        database.RunAsync(async (connection, cancellation) =>
        {
            await using var command = new NpgsqlCommand(sql, connection);
            foreach (var parameter in parameters) command.Parameters.Add(parameter.Clone());
            await database.PrepareAsync(command, cancellation);
            return await run(command, cancellation);
        }, cancellationToken);

    private static NpgsqlParameter<T> Of<T>(T value) => new() { TypedValue = value };
}
