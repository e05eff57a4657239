namespace Matrix.ToDevice.Tests;

/// <summary>
/// The layout for many machines keeps its promises, by the same statements on one: on a plain PostgreSQL, and on a Citus cluster where there is
/// one to be had.
/// </summary>
public class DistributedConformanceTests
{
    private const string Citus = "MATRIX_TODEVICE_TEST_CITUS";

    private static readonly PostgreSqlTarget s_target = Environment.GetEnvironmentVariable(Citus) is { Length: > 0 } citus
        ? new(() => citus, PostgreSqlLayout.Citus) : new(() => TestCluster.ConnectionString, PostgreSqlLayout.CitusReady);

    private static IEnumerable<ConformanceCase> Cases => ConformanceKit.CasesFor(s_target);

    [TestCaseSource(nameof(Cases))]
    public async Task The_distributed_layout_keeps_its_promises(ConformanceCase promise) => (await promise.RunAsync(s_target)).ThrowIfFailed();
}
