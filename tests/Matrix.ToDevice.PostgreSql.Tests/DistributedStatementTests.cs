using System.Text.RegularExpressions;

namespace Matrix.ToDevice.Tests;

/// <summary>Every statement of the layout for many machines names one bucket for each table: it goes to one machine, and needs no other.</summary>
public partial class DistributedStatementTests
{
    private static IEnumerable<string> Functions
    {
        get
        {
            var view = new DatabaseView(TestCluster.ConnectionString);
            return view.Texts("""
                SELECT p.proname || E'\n' || p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                WHERE n.nspname = 'statements' ORDER BY 1
                """);
        }
    }

    [OneTimeSetUp]
    public async Task SetUpAsync()
    {
        await using var host = new Host(TestCluster.ConnectionString, options => (options.Schema, options.Layout) = ("statements", PostgreSqlLayout.CitusReady));
        await host.ReadAsync("B1");
    }

    [Test]
    public void Every_table_in_a_function_is_asked_for_one_bucket()
    {
        var (functions, statements) = (0, 0);
        foreach (var function in Functions)
        {
            functions++;
            foreach (var statement in WithoutComments().Replace(function, "").Split(';'))
            {
                var tables = Table().Count(statement);
                if (tables == 0) continue;
                statements++;
                Match[] named = [.. Filter().Matches(statement).Concat(Insert().Matches(statement))];
                Assert.That(named, Has.Length.EqualTo(tables), statement);
                Assert.That(statement, Does.Not.Match(@"\w\[\w+\]"), "Citus makes text of the whole array, each time, and has crashed on some");
                Assert.That(named.Select(match => match.Groups["bucket"].Value).Distinct().Count(), Is.EqualTo(1), statement);
            }
        }

        Assert.That(functions, Is.GreaterThan(15));
        Assert.That(statements, Is.GreaterThan(40));
    }

    [Test]
    public void Every_function_takes_its_bucket_first() => Assert.That(
        new DatabaseView(TestCluster.ConnectionString).Texts("""
            SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
            WHERE n.nspname = 'statements' AND p.proargnames[1] IS DISTINCT FROM 'in_bucket'
            """),
        Is.Empty);

    [Test]
    public void Functions_keep_no_plans_of_shards()
    {
        // A session of Citus would grow with each statement: only a cluster shows that.
        var file = Path.Combine(Repository.Folder, "src", "Matrix.ToDevice.PostgreSql", "Distributed", "Schema", "citus.sql");
        Assert.That(File.ReadAllText(file), Does.Contain("ALTER FUNCTION %s SET plan_cache_mode = force_custom_plan"));
    }

    [Test]
    public void Every_statement_of_the_code_names_its_bucket_for_each_table()
    {
        var folder = Path.Combine(Repository.Folder, "src", "Matrix.ToDevice.PostgreSql", "Distributed");
        var statements = 0;
        // What looks into the catalogue, once at start, asks the server that it is connected to.
        foreach (var file in Directory.GetFiles(folder, "*.cs").Where(file => Path.GetFileName(file) != "DistributedSchema.cs"))
        {
            foreach (Match statement in Statement().Matches(File.ReadAllText(file)))
            {
                var tables = CodeTable().Count(statement.Value);
                if (tables == 0) continue;
                statements++;
                Assert.That(CodeFilter().Count(statement.Value), Is.EqualTo(tables), $"{file}: {statement.Value}");
            }
        }

        Assert.That(statements, Is.GreaterThan(5));
    }

    [GeneratedRegex("--[^\n]*")]
    private static partial Regex WithoutComments();

    [GeneratedRegex(@"\b(FROM|JOIN|UPDATE|INTO) to_device_\w+( AS)?( \w+)?\b(?!\()")]
    private static partial Regex Table();

    [GeneratedRegex(@"\b\w+\.bucket = (?<bucket>in_bucket|at_bucket)\b")]
    private static partial Regex Filter();

    [GeneratedRegex(@"INTO to_device_\w+( AS \w+)? \(\s*bucket,[^)]*\)\s*VALUES \(\s*(?<bucket>in_bucket|at_bucket),")]
    private static partial Regex Insert();

    [GeneratedRegex("\"\"\"[^\"]+\"\"\"")]
    private static partial Regex Statement();

    [GeneratedRegex(@"\.to_device_\w+\b(?!\()")]
    private static partial Regex CodeTable();

    [GeneratedRegex(@"\bbucket = \$1\b")]
    private static partial Regex CodeFilter();
}
