using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

internal sealed class SqliteStoreOptionsValidator : IValidateOptions<SqliteStoreOptions>
{
    public ValidateOptionsResult Validate(string? name, SqliteStoreOptions options)
    {
        var failures = new OptionFailures(nameof(SqliteStoreOptions));
        CheckConnectionString(options.ConnectionString, failures);
        if (!Enum.IsDefined(options.Durability)) failures.Add(nameof(options.Durability), options.Durability, "it must be Full or Normal");
        failures.AtLeastOne(options.CheckpointBytes, nameof(options.CheckpointBytes));
        failures.AtLeastOne(options.CacheBytes, nameof(options.CacheBytes));
        // SQLite counts the milliseconds in 32 bits.
        if (options.BusyTimeout < TimeSpan.Zero || options.BusyTimeout.TotalMilliseconds > int.MaxValue)
            failures.Add(nameof(options.BusyTimeout), options.BusyTimeout, "it must be zero or more, and less than 24 days");
        return failures.Result;
    }

    // The value is not repeated where it may hold a password.
    private static void CheckConnectionString(string connectionString, OptionFailures failures)
    {
        const string Option = nameof(SqliteStoreOptions.ConnectionString), Example = "Data Source=todevice.db";
        if (string.IsNullOrWhiteSpace(connectionString))
        {
            failures.Add(Option, "empty", $"it must name a file, as {Example} does");
            return;
        }

        try
        {
            var parts = new SqliteConnectionStringBuilder(connectionString);
            if (parts.DataSource is "" or ":memory:" || parts.Mode == SqliteOpenMode.Memory)
                failures.Add(Option, "without a file", $"it must name one, as {Example} does; a store in memory is UseInMemory()");
            else if (parts.Mode == SqliteOpenMode.ReadOnly)
                failures.Add(Option, "with Mode=ReadOnly", "the store has to write: the mode must be ReadWriteCreate or ReadWrite");
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException)
        {
            failures.Add(Option, "none that can be read", $"it must be one of Microsoft.Data.Sqlite, as {Example} is. {exception.Message.TrimEnd('.')}");
        }
    }
}
