using System.Globalization;
using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>Several hosts on one database. Every request goes to any of them: retries move, and so do syncs.</summary>
/// <param name="connectionString">The database; a new one.</param>
/// <param name="hosts">How many hosts.</param>
/// <param name="fault">What dies, and comes back. Without it, one of the hosts.</param>
internal sealed class PostgreSqlTarget(string connectionString, int hosts, Func<Task>? fault = null) : ICrashTarget
{
    private readonly HostProcess[] _hosts = [.. Enumerable.Range(0, hosts)
        .Select(_ => new HostProcess("--Store", "postgresql", "--ConnectionStrings:PostgreSql", connectionString))];

    public Uri Address => Any().Address;

    public async Task StartAsync()
    {
        // Commits take their time, as on a slow disk: at a crash, many are under way.
        await ExecuteAsync("""
            DO 'BEGIN
                EXECUTE format(''ALTER DATABASE %I SET commit_delay = 20000'', current_database());
                EXECUTE format(''ALTER DATABASE %I SET commit_siblings = 0'', current_database());
            END'
            """);

        // All at once: they have to agree on who makes the tables.
        await Task.WhenAll(_hosts.Select(host => host.StartAsync()));

        // A record is changed when a retry finds it, and at no other time.
        await ExecuteAsync("""
            CREATE TABLE public.found_again (key uuid PRIMARY KEY);
            CREATE FUNCTION public.find_again() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO public.found_again VALUES (NEW.key) ON CONFLICT DO NOTHING; RETURN NULL; END';
            CREATE TRIGGER find_again AFTER UPDATE ON to_device.to_device_transaction FOR EACH ROW EXECUTE FUNCTION public.find_again();
            """);
    }

    public Task CrashAsync(Func<IReadOnlyList<TransactionKey>> unanswered) => fault is null ? CrashHostAsync() : fault();

    /// <summary>One of the hosts, while the others go on.</summary>
    public async Task CrashHostAsync()
    {
        var host = Any();
        await host.KillAsync();
        await host.StartAsync();
    }

    public async Task<int> CountCommittedUnansweredAsync() =>
        Convert.ToInt32(await ExecuteAsync("SELECT count(*) FROM public.found_again"), CultureInfo.InvariantCulture);

    public ValueTask DisposeAsync()
    {
        foreach (var host in _hosts) host.Dispose();
        return default;
    }

    private HostProcess Any() => _hosts[Random.Shared.Next(_hosts.Length)];

    private async Task<object?> ExecuteAsync(string sql)
    {
        // Whichever of its servers is the primary by now.
        await using var dataSource = new NpgsqlDataSourceBuilder(connectionString).BuildMultiHost();
        await using var connection = await dataSource.OpenConnectionAsync(TargetSessionAttributes.Primary);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }
}
