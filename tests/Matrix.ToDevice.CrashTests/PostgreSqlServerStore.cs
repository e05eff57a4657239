using System.Globalization;
using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>A database, for any number of hosts.</summary>
/// <param name="connectionString">The database; a new one.</param>
internal sealed class PostgreSqlServerStore(string connectionString) : IServerStore
{
    public string[] Settings => ["--Store", "postgresql", "--ConnectionStrings:PostgreSql", connectionString];

    /// <summary>Commits take their time from here on, as on a slow disk: at a crash, many are under way.</summary>
    public Task SlowDownAsync() => ExecuteAsync("""
        DO 'BEGIN
            EXECUTE format(''ALTER DATABASE %I SET commit_delay = 20000'', current_database());
            EXECUTE format(''ALTER DATABASE %I SET commit_siblings = 0'', current_database());
        END'
        """);

    // A record is changed when it is found again, and at no other time.
    public Task WatchAsync() => ExecuteAsync("""
        CREATE TABLE public.found_again (key uuid PRIMARY KEY);
        CREATE FUNCTION public.find_again() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO public.found_again VALUES (NEW.key) ON CONFLICT DO NOTHING; RETURN NULL; END';
        CREATE TRIGGER find_again AFTER UPDATE ON to_device.to_device_transaction FOR EACH ROW EXECUTE FUNCTION public.find_again();
        """);

    /// <summary>Whether the tables are laid out for many machines.</summary>
    public async Task<bool> IsDistributedAsync() =>
        await ExecuteAsync("SELECT count(*) FROM pg_tables WHERE schemaname = 'to_device' AND tablename = 'to_device_distribution'") == 1;

    public Task<int> CountFoundAgainAsync() => ExecuteAsync("SELECT count(*) FROM public.found_again");

    /// <summary>How many parts of sends are accepted and not delivered, in the layout for many machines.</summary>
    public Task<int> CountIntentsAsync() => ExecuteAsync("SELECT count(*) FROM to_device.to_device_intent");

    public Task<int> CountWaitingEdusAsync() => ExecuteAsync("SELECT count(*) FROM to_device.to_device_edu");

    public void Dispose()
    {
        // The database ends with its cluster.
    }

    private async Task<int> ExecuteAsync(string sql)
    {
        // Whichever of its servers is the primary by now.
        await using var dataSource = new NpgsqlDataSourceBuilder(connectionString).BuildMultiHost();
        await using var connection = await dataSource.OpenConnectionAsync(TargetSessionAttributes.Primary);
        await using var command = new NpgsqlCommand(sql, connection);
        return Convert.ToInt32(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
    }
}
