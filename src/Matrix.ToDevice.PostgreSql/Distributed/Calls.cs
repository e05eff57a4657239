using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>Statements in one bucket, which may be repeated. Parameters are made anew for each attempt.</summary>
internal static class Calls
{
    public static ValueTask<T> ScalarAsync<T>(
        this PostgreSqlDatabase database, string sql, Func<NpgsqlParameter[]> parameters, CancellationToken cancellationToken) =>
        database.RunAsync(
            sql, parameters, async (command, cancellation) => (T)(await command.ExecuteScalarAsync(cancellation))!, cancellationToken);

    public static ValueTask<List<T>> ListAsync<T>(
        this PostgreSqlDatabase database, string sql, Func<NpgsqlParameter[]> parameters, Func<NpgsqlDataReader, T> row, CancellationToken cancellationToken) =>
        database.RunAsync(sql, parameters, async (command, cancellation) =>
        {
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            var rows = new List<T>();
            while (await reader.ReadAsync(cancellation)) rows.Add(row(reader));
            return rows;
        }, cancellationToken);

    public static ValueTask<int> ExecuteAsync(
        this PostgreSqlDatabase database, string sql, Func<NpgsqlParameter[]> parameters, CancellationToken cancellationToken) =>
        database.RunAsync(
            sql, parameters, async (command, cancellation) => await command.ExecuteNonQueryAsync(cancellation), cancellationToken);

    public static NpgsqlParameter Array<T>(NpgsqlDbType type, IEnumerable<T> values) =>
        new NpgsqlParameter<T[]> { TypedValue = [.. values], NpgsqlDbType = NpgsqlDbType.Array | type };

    private static ValueTask<T> RunAsync<T>(
        this PostgreSqlDatabase database, string sql, Func<NpgsqlParameter[]> parameters, Func<NpgsqlCommand, CancellationToken, ValueTask<T>> run,
        CancellationToken cancellationToken) => database.RunAsync(
        async (connection, cancellation) =>
        {
            await using var command = new NpgsqlCommand(sql, connection);
            command.Parameters.AddRange(parameters());
            await database.PrepareAsync(command, cancellation);
            return await run(command, cancellation);
        }, cancellationToken);
}
