using System.Text;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Matrix.ToDevice;

internal sealed class PostgreSqlStoreOptionsValidator : IValidateOptions<PostgreSqlStoreOptions>
{
    private const int MaxSchemaBytes = 50, MaxWriters = 16;

    public ValidateOptionsResult Validate(string? name, PostgreSqlStoreOptions options)
    {
        var failures = new OptionFailures(nameof(PostgreSqlStoreOptions));
        // Without one, the application's data source is used; beside a data source, it does not matter.
        if (options is { DataSource: null, ConnectionString: { } connectionString }) CheckConnectionString(connectionString, failures);
        CheckSchema(options.Schema, failures);
        if (options.Writers is < 1 or > MaxWriters) failures.Add(nameof(options.Writers), options.Writers, $"it must be 1 to {MaxWriters}");
        if (!Enum.IsDefined(options.Layout)) failures.Add(nameof(options.Layout), options.Layout, $"it must be one of {string.Join(", ", Enum.GetNames<PostgreSqlLayout>())}");
        return failures.Result;
    }

    // The value is not repeated: it may hold a password.
    private static void CheckConnectionString(string connectionString, OptionFailures failures)
    {
        const string Option = nameof(PostgreSqlStoreOptions.ConnectionString), Example = "Host=db;Database=matrix;Username=matrix";
        if (string.IsNullOrWhiteSpace(connectionString))
        {
            failures.Add(Option, "empty", $"it must be one of Npgsql, as {Example} is, or null for the application's NpgsqlDataSource");
            return;
        }

        try
        {
            if (string.IsNullOrEmpty(new NpgsqlConnectionStringBuilder(connectionString).Host))
                failures.Add(Option, "without a Host", $"it must name one, as {Example} does");
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException or InvalidOperationException)
        {
            failures.Add(Option, "none that can be read", $"it must be one of Npgsql, as {Example} is. {exception.Message.TrimEnd('.')}");
        }
    }

    private static void CheckSchema(string schema, OptionFailures failures)
    {
        const string Option = nameof(PostgreSqlStoreOptions.Schema);
        if (string.IsNullOrEmpty(schema) || Encoding.UTF8.GetByteCount(schema) > MaxSchemaBytes)
            failures.Add(Option, $"'{schema}'", $"it must have 1 to {MaxSchemaBytes} bytes");
        else if (schema.Contains('\0'))
            failures.Add(Option, "a name with a NUL", "PostgreSQL has no such names");
        else if (schema.StartsWith("pg_", StringComparison.Ordinal))
            failures.Add(Option, $"'{schema}'", "names that begin with pg_ are PostgreSQL's own");
    }
}
