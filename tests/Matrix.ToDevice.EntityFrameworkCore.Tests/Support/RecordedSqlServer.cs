using System.Data;
using System.Data.Common;
using System.Text;
using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// In the place of an SQL Server: writes down what it is told, and answers just enough for the store to go on. It shows which SQL
/// Entity Framework Core makes for one, not what one does with it.
/// </summary>
internal sealed class RecordedSqlServer : DbCommandInterceptor, IDbConnectionInterceptor, IDbTransactionInterceptor
{
    private readonly StringBuilder _said = new();

    public string Said => _said.ToString();

    public void Note(string text) => _said.Append(text.ReplaceLineEndings("\n")).Append('\n');

    public override InterceptionResult<DbCommand> CommandCreating(CommandCorrelatedEventData eventData, InterceptionResult<DbCommand> result) =>
        InterceptionResult<DbCommand>.SuppressWithResult(new Command(this));

    public ValueTask<InterceptionResult> ConnectionOpeningAsync(
        DbConnection connection, ConnectionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default) =>
        new(InterceptionResult.Suppress());

    public InterceptionResult ConnectionClosing(DbConnection connection, ConnectionEventData eventData, InterceptionResult result) =>
        InterceptionResult.Suppress();

    public ValueTask<InterceptionResult> ConnectionClosingAsync(DbConnection connection, ConnectionEventData eventData, InterceptionResult result) =>
        new(InterceptionResult.Suppress());

    public ValueTask<InterceptionResult<DbTransaction>> TransactionStartingAsync(
        DbConnection connection, TransactionStartingEventData eventData, InterceptionResult<DbTransaction> result, CancellationToken cancellationToken = default)
    {
        Note($"-- begin, {eventData.IsolationLevel}");
        return new(InterceptionResult<DbTransaction>.SuppressWithResult(new Transaction(this, connection, eventData.IsolationLevel)));
    }

    private static DataTableReader Answer(string sql)
    {
        if (sql.Contains("OUTPUT 1", StringComparison.Ordinal))
            return new DataTableReader([.. Enumerable.Repeat(Table(1), sql.Split("OUTPUT 1").Length - 1)]);
        if (sql.Contains("GETUTCDATE", StringComparison.Ordinal)) return new DataTableReader(Table(new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc)));
        if (sql.Contains("SELECT CASE", StringComparison.Ordinal)) return new DataTableReader(Table(true));
        if (sql.Contains("SELECT TOP(@p) [t].[device], [t].[sequence]", StringComparison.Ordinal)) return new DataTableReader(Table(new byte[16], 1L));
        if (sql.Contains("SELECT TOP(2) [t].[value]", StringComparison.Ordinal)) return new DataTableReader(Table(1L));
        return new DataTableReader(new DataTable());
    }

    private static DataTable Table(params object[] row)
    {
        var table = new DataTable();
        for (var i = 0; i < row.Length; i++) table.Columns.Add($"c{i}", row[i].GetType());
        table.Rows.Add(row);
        return table;
    }

    private sealed class Transaction(RecordedSqlServer server, DbConnection connection, IsolationLevel isolation) : DbTransaction
    {
        public override IsolationLevel IsolationLevel => isolation;

        protected override DbConnection DbConnection => connection;

        public override void Commit() => server.Note("-- commit\n");

        public override void Rollback() => server.Note("-- roll back\n");
    }

    private sealed class Command(RecordedSqlServer server) : DbCommand
    {
        // For its parameters.
        private readonly SqlCommand _command = new();

        [System.Diagnostics.CodeAnalysis.AllowNull]
        public override string CommandText { get; set; } = "";
        public override int CommandTimeout { get; set; }
        public override CommandType CommandType { get; set; }
        public override bool DesignTimeVisible { get; set; }
        public override UpdateRowSource UpdatedRowSource { get; set; }
        protected override DbConnection? DbConnection { get; set; }
        protected override DbTransaction? DbTransaction { get; set; }
        protected override DbParameterCollection DbParameterCollection => _command.Parameters;

        public override void Cancel()
        {
        }

        public override void Prepare()
        {
        }

        public override int ExecuteNonQuery()
        {
            Note();
            return 1;
        }

        public override object? ExecuteScalar()
        {
            Note();
            return null;
        }

        protected override DbParameter CreateDbParameter() => _command.CreateParameter();

        protected override DbDataReader ExecuteDbDataReader(CommandBehavior behavior)
        {
            Note();
            return Answer(CommandText);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) _command.Dispose();
            base.Dispose(disposing);
        }

        private void Note()
        {
            foreach (SqlParameter parameter in _command.Parameters)
                server.Note($"-- {parameter.ParameterName} {parameter.SqlDbType}{(parameter.Size > 0 ? $"({parameter.Size})" : "")}");
            server.Note(CommandText.TrimEnd() + "\n");
        }
    }
}
