namespace Matrix.ToDevice.Bench;

/// <summary>A server that is measured.</summary>
/// <param name="Kind">As <see cref="BenchServer.RunAsync"/> takes it; of the sample, its store.</param>
/// <param name="IsSample">Whether it is the sample host, with accounts and everything, or the module with a stub of each part.</param>
/// <param name="Before">The checkout of an earlier version that was built there; null for this one.</param>
internal sealed record HttpTarget(string Kind, bool IsSample = false, string? Before = null)
{
    public const string PostgreSql = "postgresql";

    public static HttpTarget Bare { get; } = new("bare");

    public string Name => (IsSample ? $"sample, {Kind}" : Kind) + (Before is null ? "" : ", before");

    public bool NeedsDatabase => Kind == PostgreSql;

    /// <summary>The program.</summary>
    public string Program => Before is null && !IsSample ? Environment.ProcessPath! : Path.Combine(
        Before ?? Path.Combine(AppContext.BaseDirectory, "../../../../.."),
        IsSample ? "samples/LocalHomeserver/bin/Release/net10.0/LocalHomeserver" : "bench/Matrix.ToDevice.Bench/bin/Release/net10.0/Matrix.ToDevice.Bench");

    /// <summary>How the program is called.</summary>
    /// <param name="folder">An empty folder.</param>
    /// <param name="database">The connection string of the database.</param>
    public IEnumerable<string> Arguments(string folder, string? database) => !IsSample ? ["serve", Kind, database ?? folder] :
    [
        "--urls", "http://127.0.0.1:0", "--ServerName", "example.org", "--PasswordIterations", "1", "--Store", Kind, "--Data", folder,
        "--ConnectionStrings:PostgreSql", database ?? "", "--Metrics", "false",
    ];
}
