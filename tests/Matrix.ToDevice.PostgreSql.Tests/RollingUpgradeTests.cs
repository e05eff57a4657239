using System.Text;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>A host of this version starts while hosts of the version before work on the database.</summary>
[TestFixture(2)]
[TestFixture(3)]
[TestFixture(4)]
public class RollingUpgradeTests(int version)
{
    private static readonly string[] s_devices = [.. Enumerable.Range(0, 6).Select(n => $"B{n}")];
    // Two who read one inbox would each get its messages.
    private static readonly string[] s_ofOld = s_devices[..3], s_ofNew = s_devices[3..];

    private string _database = null!;
    private DatabaseView _view = null!;
    private DateTimeOffset _started;

    [SetUp]
    public void SetUp()
    {
        _started = TimeProvider.System.GetUtcNow();
        _database = TestCluster.NewDatabase();
        _view = new DatabaseView(_database);
        var tables = string.Concat(Enumerable.Range(1, version).Select(number =>
            File.ReadAllText(Path.Combine(Repository.Folder, "tests", "Matrix.ToDevice.PostgreSql.Tests", "Versions", $"{number}.sql"))));
        _view.Execute($"CREATE SCHEMA to_device; SET search_path TO to_device; {tables}");
    }

    [Test]
    public async Task D3_D4_a_host_that_upgrades_the_tables_under_load_ends_nobodys_statement_and_loses_and_doubles_nothing([Range(1, 3)] int run)
    {
        List<(string DeviceId, string Content)> accepted = [], delivered = [];
        await using (var old = new OldHost(_database, version))
        {
            old.Start(s_devices, s_ofOld);
            await old.AcceptsAsync(50 * run);

            await using (var host = new Host(_database))
            {
                for (var n = 0; n < 200; n++)
                {
                    var recipients = new[] { s_devices[n % 6], s_devices[(n * 5 + 1) % 6] }.Distinct().ToList();
                    Assert.That(await host.SendAsync($"t{n}", $"new {n}", recipients, "New"), Is.EqualTo(CommitResult.Committed));
                    accepted.AddRange(recipients.Select(device => (device, $"new {n}")));
                    await host.Inbox.RemoveDeviceAsync(Host.Bob("another"), default);
                    if (n % 10 == 0) await DrainAsync(host, delivered);
                }

                await old.AcceptsAsync(50);
                await old.StopAsync(s_ofOld);
                await DrainAsync(host, delivered);
            }

            Assert.That(delivered.Concat(old.Delivered).Order(), Is.EqualTo(accepted.Concat(old.Accepted).Order()));
            Assert.That(old.DeliveredEdus.Order(), Is.EqualTo(old.AcceptedEdus.Order()), "EDUs");
        }

        Assert.That(_view.Count("SELECT max(version) FROM to_device.to_device_schema"), Is.EqualTo(5));
        // What a connection has counted is there when it has ended.
        await _view.ReachesAsync("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'", 0);
        Assert.That(_view.Count("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"), Is.Zero);
    }

    [Test]
    public async Task Tables_that_somebody_holds_are_waited_for_in_peace_and_then_the_start_says_so()
    {
        var time = new HurryingTime();
        await using var old = new OldHost(_database, version);
        await using (var connection = _view.Open())
        {
            await using var dump = await connection.BeginTransactionAsync();
            await using var command = connection.CreateCommand();
            command.CommandText = "LOCK TABLE to_device.to_device_message IN ACCESS SHARE MODE";
            await command.ExecuteNonQueryAsync();
            old.Start(s_devices, s_ofOld);

            await using var host = new Host(_database, services: builder => builder.Services.AddSingleton<TimeProvider>(time));
            Assert.That(
                async () => await host.ReadAsync("nobody"),
                Throws.TypeOf<PostgreSqlStoreException>().With.Message.Contains("somebody holds them, a dump for example").And.Message.Not.Contains('\n'));

            await old.AcceptsAsync(50);
            Assert.That(_view.Count("SELECT max(version) FROM to_device.to_device_schema"), Is.EqualTo(version));
        }

        await using var again = new Host(_database);
        await again.ReadAsync("nobody");
        await old.AcceptsAsync(50);
        await old.StopAsync(s_devices);
        Assert.That(old.Delivered.Order(), Is.EqualTo(old.Accepted.Order()));
    }

    // A look for removals goes from one table to the other, the other way round than a commit: who waits for both waits in vain.
    [Test]
    public async Task D4_an_upgrade_waits_for_no_table_that_it_does_not_change()
    {
        await using var connection = _view.Open();
        await using var longOne = await connection.BeginTransactionAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "LOCK TABLE to_device.to_device_removals, to_device.to_device_edu IN ACCESS SHARE MODE";
        await command.ExecuteNonQueryAsync();

        await using var host = new Host(_database, services: builder => builder.Services.AddSingleton<TimeProvider>(new HurryingTime()));
        await host.ReadAsync("nobody");

        Assert.That(_view.Count("SELECT max(version) FROM to_device.to_device_schema"), Is.EqualTo(5));
    }

    private async Task DrainAsync(Host host, List<(string DeviceId, string Content)> delivered)
    {
        foreach (var device in s_ofNew)
        {
            using var page = await host.Inbox.ReadAsync(Host.Bob(device), InboxPosition.Start, 1_000_000, int.MaxValue, default);
            if (page.Messages.Count == 0) continue;
            Assert.That(
                page.Messages.Select(message => message.CommittedAt),
                Is.All.InRange(_started - TimeSpan.FromSeconds(1), TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(1)), "whichever version has committed it");
            Assert.That(await host.Inbox.AcknowledgeAsync(Host.Bob(device), page.Messages[^1].Position, default), Is.EqualTo(page.Messages.Count));
            delivered.AddRange(page.Messages.Select(message => (device, Encoding.UTF8.GetString(message.Content.Span))));
        }
    }

    /// <summary>A clock that is half a minute on whenever it is looked at. Timers run on the real one.</summary>
    private sealed class HurryingTime : TimeProvider
    {
        private long _looks;

        public override long GetTimestamp() => Interlocked.Increment(ref _looks) * 30 * TimestampFrequency;
    }
}
