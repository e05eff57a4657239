using System.Data.Common;
using Npgsql;

namespace Matrix.ToDevice.Tool;

/// <summary>Which store is meant: a SQLite file, or a schema of a PostgreSQL database.</summary>
internal abstract record StoreAddress
{
    private const string DefaultSchema = "to_device";
    private const int MaxSecretBytes = 64 << 10;

    /// <summary>For messages; without secrets.</summary>
    public abstract string Name { get; }

    /// <param name="text">
    /// <c>sqlite:FILE</c> or just a file, <c>postgresql:CONNECTION</c>, or <c>env:NAME</c> and <c>file:PATH</c>, which hold one of these.
    /// </param>
    public static StoreAddress Parse(string text) => Parse(text, isHeld: false);

    private static StoreAddress Parse(string text, bool isHeld)
    {
        var (prefix, rest) = text.Split(':', 2) is [var one, var other] ? (one, other) : ("", text);
        return prefix switch
        {
            "env" when !isHeld => Parse(
                Environment.GetEnvironmentVariable(rest) ?? throw ToolException.Usage($"The environment has no variable {rest}."), isHeld: true),
            "file" when !isHeld => Parse(ReadSecret(rest), isHeld: true),
            "env" or "file" => throw ToolException.Usage("What an environment variable or a file holds has to be the store itself, not a further env: or file:."),
            "sqlite" => Sqlite(rest),
            "postgresql" or "postgres" => PostgreSql(rest),
            // A connection string that nobody has said to be one would come back in messages as the name of a file.
            _ when IsConnectionString(text) => throw ToolException.Usage("That looks like a connection string. Put postgresql: in front of it."),
            _ => Sqlite(text),
        };
    }

    private static SqliteAddress Sqlite(string path) => path.Length > 0 && !path.Contains('\0')
        ? new SqliteAddress(Path.GetFullPath(path))
        : throw ToolException.Usage("Name the file of a SQLite store, as sqlite:todevice.db does.");

    private static PostgreSqlAddress PostgreSql(string connectionString)
    {
        try
        {
            // Schema and Layout are words of ours; Npgsql would refuse them.
            var all = new DbConnectionStringBuilder { ConnectionString = connectionString };
            var schema = all.TryGetValue("Schema", out var value) ? (string)value : DefaultSchema;
            var layout = all.TryGetValue("Layout", out var word) ? LayoutOf((string)word) : (PostgreSqlLayout?)null;
            all.Remove("Schema");
            all.Remove("Layout");
            var settings = new NpgsqlConnectionStringBuilder(all.ConnectionString) { ApplicationName = "matrix-to-device" };
            if (string.IsNullOrEmpty(settings.Host)) throw ToolException.Usage("The connection string names no Host, as Host=db;Database=matrix;Username=matrix does.");
            return new PostgreSqlAddress(settings, schema, layout);
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException or InvalidOperationException or KeyNotFoundException)
        {
            // What it says may hold a part of the password.
            throw ToolException.Usage(
                "The connection string cannot be read. It has to be one of Npgsql, as Host=db;Database=matrix;Username=matrix is; a value with ; or = goes into quotes.");
        }
    }

    private static PostgreSqlLayout LayoutOf(string word)
    {
        var names = Enum.GetNames<PostgreSqlLayout>();
        return names.FirstOrDefault(name => name.Equals(word, StringComparison.OrdinalIgnoreCase)) is { } known
            ? Enum.Parse<PostgreSqlLayout>(known)
            : throw ToolException.Usage($"Layout has to be one of {string.Join(", ", names)}.");
    }

    private static bool IsConnectionString(string text) =>
        text.Contains("Host=", StringComparison.OrdinalIgnoreCase) || text.Contains("Password=", StringComparison.OrdinalIgnoreCase)
        || text.Contains("Server=", StringComparison.OrdinalIgnoreCase);

    private static string ReadSecret(string path)
    {
        try
        {
            if (new FileInfo(path).Length > MaxSecretBytes) throw ToolException.Usage($"{path} is too large to hold the name of a store.");
            return File.ReadLines(path).FirstOrDefault() ?? throw ToolException.Usage($"{path} is empty; its first line has to name the store.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw ToolException.Usage($"{path} cannot be read; its first line has to name the store.");
        }
    }
}

/// <summary>A file.</summary>
internal sealed record SqliteAddress(string Path) : StoreAddress
{
    public override string Name => Path;
}

/// <summary>A schema of a database.</summary>
/// <param name="Settings">How to connect.</param>
/// <param name="Schema">The schema.</param>
/// <param name="Layout">The layout that was named: of one that is made, or that it is said to have.</param>
internal sealed record PostgreSqlAddress(NpgsqlConnectionStringBuilder Settings, string Schema, PostgreSqlLayout? Layout) : StoreAddress
{
    public override string Name => $"{Settings.Database ?? Settings.Username} on {Settings.Host}:{Settings.Port}, schema {Schema}";
}
