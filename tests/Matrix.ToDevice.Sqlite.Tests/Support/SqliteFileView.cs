using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Matrix.ToDevice.Tests;

/// <summary>Looks into a database file from outside the store, as an operator's tools do.</summary>
internal static class SqliteFileView
{
    private const int WalHeaderBytes = 32, FrameBytes = 24 + 16384;

    public static long Count(string path, string sql)
    {
        using var connection = Open(path);
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToInt64(command.ExecuteScalar(), CultureInfo.InvariantCulture);
    }

    public static void Execute(string path, string sql)
    {
        using var connection = Open(path);
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>How many pages the write-ahead log holds.</summary>
    public static long WalFrames(string path) => (new FileInfo(path + "-wal").Length - WalHeaderBytes) / FrameBytes;

    public static SqliteConnection Open(string path)
    {
        var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        return connection;
    }
}
