using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice.Tests;

/// <summary>A kind of database that the tests run on.</summary>
public interface ITestDatabase
{
    /// <summary>Has a context use the database of this name.</summary>
    void Use(DbContextOptionsBuilder options, string name);

    /// <summary>Deletes the database, when nobody uses it any more.</summary>
    ValueTask DeleteAsync(string name);
}

/// <summary>A file for each name.</summary>
public sealed class SqliteDatabases : ITestDatabase
{
    private static readonly Lazy<DirectoryInfo> s_folder = new(() => Directory.CreateTempSubdirectory("todevice-ef-tests-"));

    public void Use(DbContextOptionsBuilder options, string name) => options.UseSqlite(ConnectionString(name));

    public ValueTask DeleteAsync(string name)
    {
        using (var connection = new SqliteConnection(ConnectionString(name))) SqliteConnection.ClearPool(connection);
        foreach (var file in Directory.GetFiles(s_folder.Value.FullName, $"{name}.db*")) File.Delete(file);
        return default;
    }

    public static void DeleteAll()
    {
        SqliteConnection.ClearAllPools();
        if (s_folder.IsValueCreated) s_folder.Value.Delete(recursive: true);
    }

    private static string ConnectionString(string name) => $"Data Source={Path.Combine(s_folder.Value.FullName, name)}.db";
}

/// <summary>A database for each name, on the run's PostgreSQL.</summary>
public sealed class PostgreSqlDatabases : ITestDatabase
{
    public void Use(DbContextOptionsBuilder options, string name) => options.UseNpgsql(ConnectionString(name));

    public async ValueTask DeleteAsync(string name)
    {
        await using var connection = new Npgsql.NpgsqlConnection(ConnectionString(name));
        Npgsql.NpgsqlConnection.ClearPool(connection);
        TestServers.PostgreSql.Execute($"DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
    }

    internal static string ConnectionString(string name) => $"{TestServers.PostgreSql.ConnectionString};Database={name};Maximum Pool Size=30";
}

/// <summary>A database for each name, on the run's MariaDB, whose texts ignore case and spaces at the end, as it comes.</summary>
public sealed class MariaDbDatabases : ITestDatabase
{
    public void Use(DbContextOptionsBuilder options, string name) => options.UseMySQL(ConnectionString(name));

    public async ValueTask DeleteAsync(string name)
    {
        await using var connection = new MySql.Data.MySqlClient.MySqlConnection(TestServers.MariaDb.ConnectionString);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = $"DROP DATABASE IF EXISTS `{name}`";
        await command.ExecuteNonQueryAsync();
    }

    internal static string ConnectionString(string name) => $"{TestServers.MariaDb.ConnectionString};Database={name};Maximum Pool Size=30";
}
