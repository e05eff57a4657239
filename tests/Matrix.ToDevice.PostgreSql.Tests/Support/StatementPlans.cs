using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>How the database carries out what the store asks it.</summary>
internal static class StatementPlans
{
    /// <summary>A statement as it is in the store's source.</summary>
    public static string Source(string file, string pattern)
    {
        var source = File.ReadAllText(Path.Combine(Repository.Folder, "src", "Matrix.ToDevice.PostgreSql", file));
        var match = Regex.Match(source, pattern, RegexOptions.Singleline);
        Assert.That(match.Success, file);
        return match.Groups[1].Value.Replace("{PostgreSqlSchema.Quote(options.Schema)}", "to_device", StringComparison.Ordinal);
    }

    /// <summary>The plan of a prepared statement, with the rows that it went through.</summary>
    public static string Plan(DatabaseView view, string planCacheMode, string sql, string types, string arguments) =>
        Explain(view, planCacheMode, sql, types, arguments, "ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF");

    /// <summary>How many pages a prepared statement touches, with those that the functions in it do.</summary>
    public static long Buffers(DatabaseView view, string sql, string types, string arguments)
    {
        var plan = Explain(view, "force_generic_plan", sql, types, arguments, "ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF");
        // The first line of them is the whole statement's.
        var line = Regex.Match(plan, "Buffers: (.*)").Groups[1].Value;
        return Regex.Matches(line, @"(hit|read)=(\d+)").Sum(match => long.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture));
    }

    private static string Explain(DatabaseView view, string planCacheMode, string sql, string types, string arguments, string options)
    {
        using var connection = view.Open();
        using var prepare = new NpgsqlCommand(
            $"SET plan_cache_mode = {planCacheMode}; SET jit = off; PREPARE looked_at ({types}) AS {sql}", connection);
        prepare.ExecuteNonQuery();
        using var command = new NpgsqlCommand($"EXPLAIN ({options}) EXECUTE looked_at ({arguments})", connection);
        using var reader = command.ExecuteReader();
        var plan = new StringBuilder();
        while (reader.Read()) plan.AppendLine(reader.GetString(0));
        TestContext.Out.WriteLine(plan);
        return plan.ToString();
    }

    /// <summary>How many buffers a statement touches, with all that the functions in it do. What it changes is rolled back.</summary>
    /// <param name="view">The database.</param>
    /// <param name="planCacheMode">How it is planned.</param>
    /// <param name="sql">The statement.</param>
    /// <param name="rows">How many rows it has somewhere.</param>
    /// <param name="meanwhile">What is done when the session has run it once, and goes on with the plans that it has made for that.</param>
    public static int Buffers(DatabaseView view, string planCacheMode, string sql, int rows, Action? meanwhile = null)
    {
        using var connection = view.Open();
        using var command = new NpgsqlCommand($"SET plan_cache_mode = {planCacheMode}; SET jit = off", connection);
        command.ExecuteNonQuery();
        var plan = "";
        // What the session has to learn first is not counted.
        for (var run = 0; run < 2; run++)
        {
            using var transaction = connection.BeginTransaction();
            command.CommandText = $"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) {sql}";
            using (var reader = command.ExecuteReader())
            {
                plan = "";
                while (reader.Read()) plan += reader.GetString(0) + "\n";
            }

            transaction.Rollback();
            if (run == 0) meanwhile?.Invoke();
        }

        TestContext.Out.WriteLine(plan);
        Assert.That(plan, Does.Contain($"rows={rows} "));
        return Regex.Matches(Regex.Match(plan, "Buffers: shared(.*)").Groups[1].Value, @"(?:hit|read)=(\d+)").Sum(match => int.Parse(match.Groups[1].Value));
    }
}
