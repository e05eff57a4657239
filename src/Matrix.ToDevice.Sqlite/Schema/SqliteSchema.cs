using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Matrix.ToDevice;

/// <summary>Brings the tables of a file up to this version of the package, one numbered file after the other.</summary>
internal static class SqliteSchema
{
    // A column that is added has to have a constant as its default.
    private const string Now = "/* now */ 0";

    private static readonly string[] s_files =
        [.. typeof(SqliteSchema).Assembly.GetManifestResourceNames().Where(name => name.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    public static void Upgrade(SqliteConnection connection, string path, DateTimeOffset now)
    {
        using var transaction = connection.BeginTransaction(deferred: false);
        Execute("CREATE TABLE IF NOT EXISTS to_device_schema (version INTEGER NOT NULL)");
        var version = Convert.ToInt32(Execute("SELECT coalesce(max(version), 0) FROM to_device_schema"), CultureInfo.InvariantCulture);
        if (version > s_files.Length)
        {
            throw new SqliteStoreException(
                $"{path} has schema version {version}; this version of Matrix.ToDevice.Sqlite knows up to {s_files.Length}. "
                + "A newer one has written it: use that, or restore a backup.");
        }

        for (var next = version + 1; next <= s_files.Length; next++)
        {
            using var file = new StreamReader(typeof(SqliteSchema).Assembly.GetManifestResourceStream(s_files[next - 1])!);
            Execute(file.ReadToEnd().Replace(Now, string.Create(CultureInfo.InvariantCulture, $"{now.ToUnixTimeMilliseconds()}"), StringComparison.Ordinal));
            Execute(string.Create(CultureInfo.InvariantCulture, $"INSERT INTO to_device_schema (version) VALUES ({next})"));
        }

        transaction.Commit();

        object? Execute(string sql)
        {
            using var command = connection.CreateCommand();
            command.Transaction = transaction;
#pragma warning disable CA2100 // Made of constants and numbers.
            command.CommandText = sql;
#pragma warning restore CA2100
            return command.ExecuteScalar();
        }
    }
}
