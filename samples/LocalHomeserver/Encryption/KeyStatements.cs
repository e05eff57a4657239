using System.Data.Common;
using System.Globalization;
using System.Text;
using Microsoft.Data.Sqlite;

namespace LocalHomeserver;

/// <summary>Statements on one connection. Texts go in and come out as bytes: PostgreSQL's text has no NUL, and clients choose names.</summary>
internal sealed class KeyStatements(DbConnection connection, CancellationToken cancellationToken)
{
    public async Task<int> ExecuteAsync(string sql, params object[] values)
    {
        await using var command = Command(sql, values);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public async Task<List<T>> QueryAsync<T>(string sql, Func<KeyRow, T> read, params object[] values)
    {
        await using var command = Command(sql, values);
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        var found = new List<T>();
        while (await rows.ReadAsync(cancellationToken)) found.Add(read(new KeyRow(rows)));
        return found;
    }

    private DbCommand Command(string sql, object[] values)
    {
        var command = connection.CreateCommand();
#pragma warning disable CA2100 // Made of constants; what comes from outside is a parameter.
        command.CommandText = sql;
#pragma warning restore CA2100
        for (var i = 0; i < values.Length; i++)
        {
            var parameter = command.CreateParameter();
            // Npgsql numbers parameters that have no name.
            if (command is SqliteCommand) parameter.ParameterName = string.Create(CultureInfo.InvariantCulture, $"${i + 1}");
            parameter.Value = values[i] is string text ? Encoding.UTF8.GetBytes(text) : values[i];
            command.Parameters.Add(parameter);
        }

        return command;
    }
}

/// <summary>A row of an answer.</summary>
internal readonly struct KeyRow(DbDataReader row)
{
    public string Text(int column) => Encoding.UTF8.GetString(Bytes(column));

    public string TextOrEmpty(int column) => Encoding.UTF8.GetString(BytesOrEmpty(column));

    public byte[] BytesOrEmpty(int column) => row.IsDBNull(column) ? [] : Bytes(column);

    public byte[] Bytes(int column) => row.GetFieldValue<byte[]>(column);

    public long Number(int column) => row.GetInt64(column);
}
