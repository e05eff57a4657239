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
    public static string Plan(DatabaseView view, string planCacheMode, string sql, string types, string arguments)
    {
        using var connection = view.Open();
        using var prepare = new NpgsqlCommand(
            $"SET plan_cache_mode = {planCacheMode}; SET jit = off; PREPARE looked_at ({types}) AS {sql}", connection);
        prepare.ExecuteNonQuery();
        using var command = new NpgsqlCommand($"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE looked_at ({arguments})", connection);
        using var reader = command.ExecuteReader();
        var plan = new StringBuilder();
        while (reader.Read()) plan.AppendLine(reader.GetString(0));
        TestContext.Out.WriteLine(plan);
        return plan.ToString();
    }
}
