using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using NUnit.Framework.Constraints;

namespace Matrix.ToDevice.Tests;

/// <summary>A database that cannot be used keeps the server from starting, and the message says what to mend.</summary>
public class StartTests
{
    private string _database = null!;
    private DatabaseView _view = null!;

    [SetUp]
    public void SetUp()
    {
        _database = TestCluster.NewDatabase();
        _view = new DatabaseView(_database);
    }

    [Test]
    public void A_server_without_a_database_does_not_start() =>
        Assert.That(() => StartAsync(_ => { }), Refused("AddNpgsqlDataSource"));

    [TestCase("Host=127.0.0.1;Port=1", "cannot be reached")]
    [TestCase("Host=nowhere.invalid", "cannot be reached")]
    [TestCase("Host=127.0.0.1;Target Session Attributes=primary", "cannot be used")]
    public void A_connection_string_that_leads_nowhere_is_refused(string connectionString, string message) =>
        Assert.That(() => StartAsync(options => options.ConnectionString = connectionString), Refused(message));

    [Test]
    public void A_missing_database_is_named() =>
        Assert.That(() => StartAsync(options => options.ConnectionString = $"{_database};Database=nowhere"), Refused("no such database: nowhere"));

    [TestCase("Password=wrong")]
    [TestCase("")]
    public void A_wrong_password_is_refused_and_not_repeated(string password)
    {
        _view.Execute("DROP ROLE IF EXISTS careful; CREATE ROLE careful LOGIN PASSWORD 'right'");

        Assert.That(
            () => StartAsync(options => options.ConnectionString = $"{_database};Username=careful;{password}"),
            Refused("assword").And.Message.Not.Contains("wrong"));
    }

    [TestCase("LATIN1")]
    [TestCase("SQL_ASCII")]
    public void A_database_that_lacks_characters_of_clients_is_refused_and_left_as_it_is(string encoding)
    {
        var name = $"encoding_{encoding.ToLowerInvariant()}";
        TestCluster.Cluster.Execute($"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0");
        var database = $"{_database};Database={name}";

        Assert.That(
            () => StartAsync(options => options.ConnectionString = database),
            Refused($"has the encoding {encoding}").And.Message.Contains("ENCODING 'UTF8'").And.Message.Not.Contains('\n'));
        Assert.That(new DatabaseView(database).Count("SELECT count(*) FROM pg_namespace WHERE nspname = 'to_device'"), Is.Zero);
    }

    [TestCase("Maximum Pool Size=4", 2, null, "Maximum Pool Size of 4; the store needs 5 at least: 2 to commit (Writers), 2 to listen and to notify, 1 to read")]
    [TestCase("Maximum Pool Size=18", 16, null, "needs 19 at least")]
    [TestCase("Maximum Pool Size=2", 2, false, "needs 3 at least: 2 to commit (Writers), 1 to read")]
    [TestCase("Multiplexing=true", 2, null, "Multiplexing=true")]
    public void A_data_source_that_cannot_give_what_the_store_needs_is_refused(string setting, int writers, bool? notifications, string message)
    {
        Assert.That(
            () => StartAsync(options => (options.ConnectionString, options.Writers, options.Notifications) = ($"{_database};{setting}", writers, notifications)),
            Refused(message).And.Message.Not.Contains('\n'));
        Assert.That(_view.Count("SELECT count(*) FROM pg_namespace WHERE nspname = 'to_device'"), Is.Zero);
    }

    [TestCase("Maximum Pool Size=5", 2, null)]
    [TestCase("Maximum Pool Size=3", 2, false)]
    [TestCase("Maximum Pool Size=1;Pooling=false", 2, null)]
    public async Task A_data_source_that_can_just_give_it_suffices(string setting, int writers, bool? notifications)
    {
        await using var host = new Host(
            $"{_database};{setting}", options => (options.Writers, options.Notifications) = (writers, notifications));

        Assert.That(await Task.WhenAll(Enumerable.Range(0, 50).Select(n => host.SendAsync($"t{n}", $"{n}", "B1"))), Is.All.EqualTo(CommitResult.Committed));
        Assert.That(await host.ReadAsync("B1"), Has.Count.EqualTo(50));
    }

    [TestCase("", "is empty; it must be one of Npgsql")]
    [TestCase(" ", "is empty; it must be one of Npgsql")]
    [TestCase("Database=x;Password=secret", "is without a Host; it must name one")]
    [TestCase("Colour=green", "it must be one of Npgsql")]
    [TestCase("Host=x;Password=secret;Port=many", "it must be one of Npgsql")]
    [TestCase("x", "it must be one of Npgsql")]
    public void A_connection_string_that_cannot_be_one_stops_the_host_at_its_start(string connectionString, string message) => Assert.That(
        () => StartAsync(options => options.ConnectionString = connectionString),
        Impossible("PostgreSqlStoreOptions.ConnectionString").And.Message.Contains(message).And.Message.Not.Contains("secret"));

    [TestCase("", "is ''; it must have 1 to 50 bytes")]
    [TestCase(null, "is ''; it must have 1 to 50 bytes")]
    [TestCase("a name that has more than fifty bytes, as it has got umläuts", "umläuts'; it must have 1 to 50 bytes")]
    [TestCase("a\0b", "PostgreSQL has no such names")]
    [TestCase("pg_mine", "names that begin with pg_ are PostgreSQL's own")]
    public void A_schema_name_that_cannot_serve_stops_the_host_at_its_start(string? schema, string message) => Assert.That(
        () => StartAsync(options => (options.ConnectionString, options.Schema) = (_database, schema!)),
        Impossible("PostgreSqlStoreOptions.Schema").And.Message.Contains(message));

    [TestCase(0)]
    [TestCase(17)]
    public void A_number_of_writers_that_cannot_serve_stops_the_host_at_its_start(int writers) => Assert.That(
        () => StartAsync(options => (options.ConnectionString, options.Writers) = (_database, writers)),
        Impossible($"PostgreSqlStoreOptions.Writers is {writers}; it must be 1 to 16"));

    [Test]
    public void Options_are_looked_at_before_the_database_is_and_all_that_is_wrong_is_said_at_once() => Assert.That(
        () => StartAsync(options => (options.ConnectionString, options.Writers, options.Schema) = ("Host=127.0.0.1;Port=1", 0, "")),
        Impossible("Writers is 0").And.Message.Contains("Schema is ''"));

    [Test]
    public async Task A_user_who_may_not_make_the_tables_is_told_so_and_one_who_may_use_them_suffices()
    {
        _view.Execute("DROP ROLE IF EXISTS modest; CREATE ROLE modest LOGIN");
        var modest = $"{_database};Username=modest";
        Assert.That(() => StartAsync(options => options.ConnectionString = modest), Refused("needs CREATE on the database"));

        await StartAsync(options => options.ConnectionString = _database);
        Assert.That(() => StartAsync(options => options.ConnectionString = modest), Refused("USAGE on the schema"));

        _view.Execute("""
            GRANT USAGE ON SCHEMA to_device TO modest;
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA to_device TO modest
            """);
        await using (var host = new Host(modest))
        {
            await host.SendAsync("t1", "1", "B1");
            await host.Inbox.RemoveDeviceAsync(Host.Bob("B2"), default);
            await host.Transactions.PurgeAsync(TransactionKey.SendToDevice, TimeProvider.System.GetUtcNow() + TimeSpan.FromDays(1), 10, default);
            Assert.That((await host.HealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy));
            Assert.That(await host.ReadAsync("B1"), Is.EqualTo(new[] { "1" }));
        }

        _view.Execute("DROP OWNED BY modest");
    }

    [Test]
    public async Task A_newer_schema_is_refused_and_left_as_it_is()
    {
        await using var running = new Host(_database);
        await running.SendAsync("t1", "1", "B1");
        _view.Execute("INSERT INTO to_device.to_device_schema (version) VALUES (1000)");

        Assert.That(() => StartAsync(options => options.ConnectionString = _database), Refused("version 1000"));
        var health = await running.HealthAsync();
        Assert.That((health.Status, health.Description), Is.EqualTo((HealthStatus.Unhealthy, health.Exception!.Message)));
        Assert.That(health.Description, Does.Contain("version 1000"));

        _view.Execute("DELETE FROM to_device.to_device_schema WHERE version = 1000");
        await using var again = new Host(_database);
        Assert.That(await again.ReadAsync("B1"), Is.EqualTo(new[] { "1" }));
    }

    [TestCase(PostgreSqlLayout.OneMachine, PostgreSqlLayout.CitusReady, "layout for one machine")]
    [TestCase(PostgreSqlLayout.CitusReady, PostgreSqlLayout.OneMachine, "layout for many machines")]
    public async Task A_schema_of_another_layout_is_refused_and_left_as_it_is(PostgreSqlLayout its, PostgreSqlLayout other, string message)
    {
        await using var running = new Host(_database, options => options.Layout = its);
        await running.SendAsync("t1", "1", "B1");

        Assert.That(() => StartAsync(options => (options.ConnectionString, options.Layout) = (_database, other)), Refused(message));
        Assert.That(await running.ReadAsync("B1"), Is.EqualTo(new[] { "1" }));
    }

    [Test]
    public void A_database_without_Citus_is_refused_where_that_is_wanted_and_left_as_it_is()
    {
        Assert.That(
            () => StartAsync(options => (options.ConnectionString, options.Layout) = (_database, PostgreSqlLayout.Citus)),
            Refused("has no extension citus"));
        Assert.That(_view.Count("SELECT count(*) FROM pg_namespace WHERE nspname = 'to_device'"), Is.Zero, "nothing was made");
    }

    [Test]
    public async Task A_newer_schema_of_the_layout_for_many_machines_is_refused_and_left_as_it_is()
    {
        await using var running = new Host(_database, options => options.Layout = PostgreSqlLayout.CitusReady);
        await running.SendAsync("t1", "1", "B1");
        _view.Execute("INSERT INTO to_device.to_device_distribution (version) VALUES (1000)");

        Assert.That(
            () => StartAsync(options => (options.ConnectionString, options.Layout) = (_database, PostgreSqlLayout.CitusReady)), Refused("version 1000"));
        Assert.That((await running.HealthAsync()).Status, Is.EqualTo(HealthStatus.Unhealthy));
    }

    [Test]
    public async Task A_host_that_migrates_by_itself_runs_the_files_of_the_layout_for_many_machines()
    {
        Action<PostgreSqlStoreOptions> configure = options =>
            (options.ConnectionString, options.Migrate, options.Schema, options.Layout) = (_database, false, "mine", PostgreSqlLayout.CitusReady);
        Assert.That(() => StartAsync(configure), Refused("schema/distributed"));
        var folder = Path.Combine(Repository.Folder, "src", "Matrix.ToDevice.PostgreSql", "Distributed", "Schema");
        string[] files = [.. Directory.GetFiles(folder, "*.sql").Where(file => Path.GetFileName(file) != "citus.sql").Order(StringComparer.Ordinal)];

        _view.Execute($"CREATE SCHEMA mine; SET search_path TO mine; {string.Join('\n', files.Select(File.ReadAllText))}");
        await StartAsync(configure);
    }

    [Test]
    public async Task A_host_that_migrates_by_itself_runs_the_files_of_the_package()
    {
        Action<PostgreSqlStoreOptions> configure = options => (options.ConnectionString, options.Migrate, options.Schema) = (_database, false, "mine");
        Assert.That(() => StartAsync(configure), Refused("Run 001.sql"));
        Assert.That(_view.Count("SELECT count(*) FROM pg_namespace WHERE nspname = 'mine'"), Is.Zero, "nothing was made");

        var files = Directory.GetFiles(Path.Combine(Repository.Folder, "src", "Matrix.ToDevice.PostgreSql", "Schema"), "*.sql").Order(StringComparer.Ordinal);
        _view.Execute($"CREATE SCHEMA mine; SET search_path TO mine; {string.Join('\n', files.Select(File.ReadAllText))}");

        await StartAsync(configure);
        await using var host = new Host(_database, options => (options.Migrate, options.Schema) = (false, "mine"));
        await host.SendAsync("t1", "1", "B1");
        Assert.That(_view.Count("SELECT count(*) FROM mine.to_device_message"), Is.EqualTo(1));
    }

    [Test]
    public async Task The_applications_data_source_is_used_and_stays_open()
    {
        await using var dataSource = NpgsqlDataSource.Create(_database);
        await StartAsync(_ => { }, services => services.AddSingleton(dataSource));

        await using var connection = await dataSource.OpenConnectionAsync();
        Assert.That(_view.Count("SELECT count(*) FROM to_device.to_device_schema"), Is.Positive);
    }

    [Test]
    public async Task D3_a_read_only_database_is_503_and_unhealthy_and_the_retry_is_accepted_when_it_is_writable_again()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.UsePostgreSql(options => (options.ConnectionString, options.Schema) = (_database, "to_device"));
            builder.Services.AddHealthChecks().AddSendToDevice();
        });
        var (alice, bob) = (server.Login("@alice:hs1", "A1"), server.Login("@bob:hs1", "B1"));
        (await alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""")).ShouldBeAccepted();

        SetReadOnly("on");
        var refused = await alice.SendAsync("t2", "@bob:hs1", "B1", """{"n":2}""");
        refused.ShouldBe(503, "M_UNKNOWN");
        Assert.That(refused.Headers, Contains.Key("Retry-After"));
        var health = server.Services.GetRequiredService<HealthCheckService>();
        Assert.That((await health.CheckHealthAsync()).Entries["to_device"].Description, Does.Contain("read-only"));
        Assert.That(() => StartAsync(options => options.ConnectionString = _database), Refused("read-only"));
        Assert.That((await bob.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":1}""" }), "readers do not mind");

        SetReadOnly("off");
        (await alice.SendAsync("t2", "@bob:hs1", "B1", """{"n":2}""")).ShouldBeAccepted();
        Assert.That((await bob.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":1}""", """{"n":2}""" }));

        void SetReadOnly(string setting)
        {
            using (var connection = _view.Open())
            {
                using var command = new NpgsqlCommand(
                    $"SET transaction_read_only = off; ALTER DATABASE {connection.Database} SET default_transaction_read_only = {setting}", connection);
                command.ExecuteNonQuery();
            }

            _view.Disconnect();
        }
    }

    [Test]
    public async Task A_database_that_comes_late_is_found_without_a_restart_of_the_host()
    {
        using var cluster = PostgreSqlCluster.Start();
        cluster.StopServer("fast");
        await using var host = new Host(cluster.ConnectionString);
        Assert.That((await host.HealthAsync()).Status, Is.EqualTo(HealthStatus.Unhealthy));
        Assert.That(async () => await host.SendAsync("t1", "1", "B1"), Refused("cannot be reached"));

        cluster.StartServer();
        Assert.That(await host.SendAsync("t1", "1", "B1"), Is.EqualTo(CommitResult.Committed));
        Assert.That((await host.HealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy));
    }

    private static async Task StartAsync(Action<PostgreSqlStoreOptions> configure, Action<IServiceCollection>? services = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSendToDevice().UsePostgreSql(configure);
        services?.Invoke(builder.Services);
        await using var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        await app.StartAsync();
    }

    private static ContainsConstraint Impossible(string message) =>
        Throws.TypeOf<OptionsValidationException>().With.Message.Not.Contains('\n').And.Message.Contains(message);

    private static ContainsConstraint Refused(string message) =>
        Throws.TypeOf<PostgreSqlStoreException>().With.Message.Contains(message);
}
