using System.Data;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Microsoft.Data.SqlClient;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// In the place of a connection to an SQL Server: writes down what it is told, and answers just enough for the store to go on. It shows
/// which SQL Entity Framework Core makes for one, not what one does with it.
/// </summary>
internal sealed class RecordedSqlServer : DbConnection
{
    private static readonly byte[] s_bytes = new byte[16];

    // The first that a statement has says what it is answered; nothing is found by any other.
    private static readonly (string Words, object?[] Row)[] s_answers =
    [
        ("GETUTCDATE", [new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc)]),
        ("SELECT CASE\n    WHEN EXISTS (\n        SELECT 1\n        FROM [to_device_edu]", [false]),
        ("SELECT CASE\n    WHEN EXISTS", [true]),
        ("[t].[device] AS [Device], [t].[sequence]", [s_bytes, 1L]),
        ("[t].[sequence] AS [Sequence], [t].[bytes]", [1L, 2L]),
        ("[t].[sequence], [t].[bytes], [t].[committed_at]", [s_bytes, 1L, 2L, 3L, s_bytes, s_bytes, 1L, s_bytes]),
        ("[t].[device] AS [Device], [t].[fingerprint]", [s_bytes, s_bytes, 1L]),
        ("SELECT TOP(@p) [t].[device]\nFROM [to_device_device]", [s_bytes]),
        ("SELECT TOP(@p) [t].[destination], [t].[failures]", ["687332", 0, 1L, null, 1L, 1L, 1L, 1L, 1L]),
        ("[t].[position] AS [Position], [t].[message_id]", [1L, "m1"u8.ToArray()]),
        ("SELECT [t].[destination] AS [Destination]\n", ["687332"]),
        ("SELECT TOP(2) [t].[value]", [1L]),
    ];

    private readonly StringBuilder _said = new();

    public string Said => _said.ToString();

    [AllowNull]
    public override string ConnectionString { get; set; } = "";

    public override string Database => "";

    public override string DataSource => "";

    public override string ServerVersion => "";

    public override ConnectionState State => ConnectionState.Open;

    public void Note(string text) => _said.Append(text.ReplaceLineEndings("\n")).Append('\n');

    public override void Open()
    {
    }

    public override void Close()
    {
    }

    public override void ChangeDatabase(string databaseName) => throw new NotSupportedException();

    protected override DbCommand CreateDbCommand() => new Command(this);

    protected override DbTransaction BeginDbTransaction(IsolationLevel isolationLevel)
    {
        Note($"-- begin, {isolationLevel}\n");
        return new Transaction(this, isolationLevel);
    }

    private static DataTableReader Answer(string sql)
    {
        // Each statement of a batch says how many rows it has found.
        if (sql.Contains("OUTPUT 1", StringComparison.Ordinal))
            return new DataTableReader([.. Enumerable.Repeat(Table([1]), sql.Split("OUTPUT 1").Length - 1)]);
        foreach (var (words, row) in s_answers)
            if (sql.Contains(words, StringComparison.Ordinal)) return new DataTableReader(Table(row));
        return new DataTableReader(new DataTable());
    }

    private static DataTable Table(object?[] row)
    {
        var table = new DataTable();
        for (var i = 0; i < row.Length; i++) table.Columns.Add($"c{i}", row[i]?.GetType() ?? typeof(byte[]));
        table.Rows.Add(row);
        return table;
    }

    private sealed class Transaction(RecordedSqlServer server, IsolationLevel isolation) : DbTransaction
    {
        public override IsolationLevel IsolationLevel => isolation;

        protected override DbConnection DbConnection => server;

        public override void Commit() => server.Note("-- commit\n");

        public override void Rollback() => server.Note("-- roll back\n");
    }

    private sealed class Command(RecordedSqlServer server) : DbCommand
    {
        // For its parameters.
        private readonly SqlCommand _command = new();

        [AllowNull]
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

        public override object? ExecuteScalar() => throw new NotSupportedException();

        protected override DbParameter CreateDbParameter() => _command.CreateParameter();

        protected override DbDataReader ExecuteDbDataReader(CommandBehavior behavior)
        {
            Note();
            return Answer(CommandText.ReplaceLineEndings("\n"));
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
