namespace Matrix.ToDevice.Tests;

/// <summary>Tests with two stores on one new database.</summary>
public abstract class TwoHostsTests
{
    /// <summary>How many connections wait for a lock.</summary>
    private protected const string Waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

    private protected string Database { get; private set; } = null!;

    private protected DatabaseView View { get; private set; } = null!;

    private protected Host One { get; private set; } = null!;

    private protected Host Two { get; private set; } = null!;

    [SetUp]
    public void SetUp()
    {
        Database = TestCluster.NewDatabase();
        View = new DatabaseView(Database);
        (One, Two) = (new Host(Database), new Host(Database));
    }

    [TearDown]
    public async Task TearDownAsync()
    {
        await One.DisposeAsync();
        await Two.DisposeAsync();
    }
}
