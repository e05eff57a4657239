using Microsoft.Data.Sqlite;

namespace Matrix.ToDevice;

/// <summary>A connection and the statements on it: closed together, also when one of them cannot be prepared.</summary>
internal sealed class PreparedStatements(SqliteConnection connection) : IDisposable
{
    private readonly List<Statement> _statements = [];

    public Statement Prepare(string sql)
    {
        try
        {
            var statement = new Statement(connection, sql);
            _statements.Add(statement);
            return statement;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        // SQLite keeps the file open until the last statement has gone.
        foreach (var statement in _statements) statement.Dispose();
        connection.Dispose();
    }
}
