using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Migrations.Operations;

namespace Matrix.ToDevice.Tests;

/// <summary>The tables are made by the host's own migrations: what these would hold, for each kind of database.</summary>
public class MigrationTests
{
    private static readonly string[] s_tables =
        ["to_device_counter", "to_device_destination", "to_device_device", "to_device_edu", "to_device_message", "to_device_transaction", "to_device_upkeep"];

    private static IEnumerable<TestCaseData> Providers()
    {
        yield return Of("SQLite", options => options.UseSqlite("Data Source=:memory:"), "BLOB", "BLOB", "TEXT");
        yield return Of("PostgreSQL", options => options.UseNpgsql("Host=127.0.0.1"), "bytea", "bytea", "character varying(600)");
        yield return Of("MySQL and MariaDB", options => options.UseMySQL("Server=127.0.0.1"), "binary(16)", "longblob", "varchar(600)");
        yield return Of("SQL Server", options => options.UseSqlServer("Server=127.0.0.1"), "binary(16)", "varbinary(max)", "varchar(600)");

        static TestCaseData Of(string name, Action<DbContextOptionsBuilder> use, string key, string bytes, string destination) =>
            new TestCaseData(use, key, bytes, destination).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Providers))]
    public void The_first_migration_makes_the_tables_and_the_next_has_nothing_to_do(
        Action<DbContextOptionsBuilder> use, string key, string bytes, string destination)
    {
        ArgumentNullException.ThrowIfNull(use);
        var options = new DbContextOptionsBuilder<HomeserverDb>();
        use(options);
        using var db = new HomeserverDb(options.Options);
        var model = db.GetService<IDesignTimeModel>().Model;
        var differ = db.GetService<IMigrationsModelDiffer>();

        var operations = differ.GetDifferences(null, model.GetRelationalModel());
        var made = operations.OfType<CreateTableOperation>().Where(table => table.Name.StartsWith("to_device_", StringComparison.Ordinal)).ToList();
        Assert.That(made.Select(table => table.Name).Order(), Is.EqualTo(s_tables));
        foreach (var property in db.Model.GetEntityTypes().Where(type => s_tables.Contains(type.GetTableName())).SelectMany(type => type.GetProperties()))
        {
            // A hash, a number, or bytes: nothing that a collation or a character set could change, but for hexadecimal digits.
            var expected = property.GetColumnName() switch
            {
                "device" or "fingerprint" or "holder" or "task" => key,
                "destination" => destination,
                "sender" or "event_type" or "content" or "message_id" => bytes,
                _ => null,
            };
            if (expected is null) Assert.That(property.ClrType == typeof(long) || property.ClrType == typeof(int), $"{property} is {property.GetColumnType()}");
            else Assert.That(property.GetColumnType(), Is.EqualTo(expected), $"{property}");
        }

        var sql = db.GetService<IMigrationsSqlGenerator>().Generate(operations, model);
        Assert.That(sql.Count(command => command.CommandText.Contains("to_device_", StringComparison.Ordinal)), Is.EqualTo(7 + 3), "seven tables and three indexes");
        Assert.That(differ.GetDifferences(model.GetRelationalModel(), model.GetRelationalModel()), Is.Empty);
    }

    [Test]
    public void The_tables_can_have_a_schema_of_their_own()
    {
        using var db = new SchemaDb();
        Assert.That(
            db.Model.GetEntityTypes().Select(type => type.GetSchemaQualifiedTableName()).Order(), Is.EqualTo(s_tables.Select(table => $"messages.{table}")));
    }

    private sealed class SchemaDb : DbContext
    {
        protected override void OnConfiguring(DbContextOptionsBuilder optionsBuilder) => optionsBuilder.UseNpgsql("Host=127.0.0.1");

        protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.AddToDevice("messages");
    }
}
