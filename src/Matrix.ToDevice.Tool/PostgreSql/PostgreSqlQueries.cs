using System.Data;
using System.Runtime.CompilerServices;
using Npgsql;

namespace Matrix.ToDevice.Tool;

/// <summary>Statements on one connection, in one transaction that sees one moment and writes nothing.</summary>
internal sealed class PostgreSqlQueries : IAsyncDisposable
{
    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlTransaction _transaction;

    private PostgreSqlQueries(NpgsqlConnection connection, NpgsqlTransaction transaction) => (_connection, _transaction) = (connection, transaction);

    public NpgsqlConnection Connection => _connection;

    public static async Task<PostgreSqlQueries> BeginAsync(NpgsqlConnection connection, string schema, CancellationToken cancellationToken)
    {
        var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellationToken);
        var queries = new PostgreSqlQueries(connection, transaction);
        await queries.ExecuteAsync("SET TRANSACTION READ ONLY", cancellationToken);
        await queries.ExecuteAsync("SET LOCAL jit = off", cancellationToken);
        await queries.ExecuteAsync(PostgreSqlOpening.SetPath(schema), cancellationToken);
        return queries;
    }

    public async Task ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, _connection, _transaction);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>The rows, as they come; in the statement, the parameters are $1, $2 and so on.</summary>
    public async IAsyncEnumerable<NpgsqlDataReader> RowsAsync(
        string sql, [EnumeratorCancellation] CancellationToken cancellationToken, params NpgsqlParameter[] parameters)
    {
        await using var command = new NpgsqlCommand(sql, _connection, _transaction);
        command.Parameters.AddRange(parameters);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) yield return reader;
    }

    public async Task<List<T>> ListAsync<T>(
        string sql, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken, params NpgsqlParameter[] parameters)
    {
        var found = new List<T>();
        await foreach (var row in RowsAsync(sql, cancellationToken, parameters)) found.Add(read(row));
        return found;
    }

    public static NpgsqlParameter Of<T>(T value) => new NpgsqlParameter<T> { TypedValue = value };

    public static DateTimeOffset? Time(NpgsqlDataReader reader, int column)
    {
        if (reader.IsDBNull(column)) return null;
        var time = reader.GetFieldValue<DateTimeOffset>(column);
        return time > DateTimeOffset.UnixEpoch ? time : null;
    }

    public async ValueTask DisposeAsync()
    {
        await _transaction.DisposeAsync();
        await _connection.DisposeAsync();
    }
}
