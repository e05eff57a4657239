namespace Matrix.ToDevice.Tool;

/// <summary>What a schema of PostgreSQL has.</summary>
/// <param name="Version">The version of the tables; 0 when there are none, null when there is no schema.</param>
/// <param name="Layout">How they are laid out, or would be.</param>
internal readonly record struct FoundTables(int? Version, PostgreSqlLayout Layout)
{
    /// <summary>Whether they are of the layout for many machines, wherever they lie.</summary>
    public bool IsDistributed => Layout != PostgreSqlLayout.OneMachine;

    /// <summary>The version that this tool knows.</summary>
    public int CurrentVersion => IsDistributed ? 1 : 5;

    /// <summary>What stands before the owner's name in a list of columns by which rows belong together, so that machines need not ask each other.</summary>
    public string By => IsDistributed ? "bucket, " : "";

    /// <summary>The condition for a user's rows, before another one.</summary>
    public string OfUser(string userKey) => IsDistributed ? FormattableString.Invariant($"bucket = {Buckets.Of(userKey)} AND ") : "";

    /// <summary>The same for a destination.</summary>
    public string OfDestination(string destination) => IsDistributed ? FormattableString.Invariant($"bucket = {Buckets.OfDestination(destination)} AND ") : "";

    /// <summary>The conditions that part all rows into portions, each on one machine.</summary>
    public IEnumerable<string> Portions => IsDistributed
        ? Enumerable.Range(0, Buckets.Count).Select(bucket => FormattableString.Invariant($"bucket = {bucket} AND ")) : [""];
}
