using Npgsql;

namespace Matrix.ToDevice;

/// <summary>
/// Who sends to which destination. All times are the database's, so that hosts need not have the same. A call whose answer
/// was lost is repeated: what it had taken then stays taken until its time has run out.
/// </summary>
internal sealed class PostgreSqlLeases(PostgreSqlDatabase database, PostgreSqlStoreOptions options) : ILeases
{
    private readonly string _acquire = $"SELECT * FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_acquire($1, $2, $3, $4, $5)";
    private readonly string _acquireThese = $"SELECT * FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_acquire_these($1, $2, $3)";
    private readonly string _renew = $"SELECT {PostgreSqlSchema.Quote(options.Schema)}.to_device_renew($1, $2, $3, $4)";
    private readonly string _release = $"SELECT {PostgreSqlSchema.Quote(options.Schema)}.to_device_release($1, $2, $3, $4)";

    /// <inheritdoc cref="IFederationOutbox.AcquireAsync"/>
    public ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan duration, int limit, int failingLimit, TimeSpan longestPause, CancellationToken cancellationToken) =>
        RunAsync(_acquire, ReadAsync, cancellationToken, Of(holder), Of(duration), Of(limit), Of(failingLimit), Of(longestPause));

    /// <inheritdoc cref="IFederationOutbox.AcquireTheseAsync"/>
    public ValueTask<IReadOnlyList<OutboxLease>> AcquireTheseAsync(
        IReadOnlyList<string> destinations, string holder, TimeSpan duration, CancellationToken cancellationToken) =>
        RunAsync(_acquireThese, ReadAsync, cancellationToken, Of<string[]>([.. destinations]), Of(holder), Of(duration));

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

    private static async ValueTask<IReadOnlyList<OutboxLease>> ReadAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var taken = new List<OutboxLease>();
        while (await reader.ReadAsync(cancellationToken))
            taken.Add(new OutboxLease(reader.GetString(0), reader.GetInt64(1), reader.GetInt32(2)));
        return taken;
    }

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
