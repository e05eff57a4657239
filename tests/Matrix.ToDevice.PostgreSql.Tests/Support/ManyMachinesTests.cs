using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>Tests with hosts of the layout for many machines on one new database.</summary>
public abstract class ManyMachinesTests
{
    private protected const string Intents = "SELECT count(*) FROM to_device.to_device_intent";

    private readonly List<Host> _hosts = [];

    private protected string Database { get; private set; } = null!;

    private protected DatabaseView View { get; private set; } = null!;

    private protected Host One => _hosts[0];

    [SetUp]
    public void SetUpDatabase()
    {
        Database = TestCluster.NewDatabase();
        View = new DatabaseView(Database);
    }

    [TearDown]
    public async Task TearDownAsync()
    {
        foreach (var host in _hosts) await host.DisposeAsync();
        _hosts.Clear();
    }

    /// <summary>One more host, which ends with the test if not before.</summary>
    private protected Host NewHost(Action<PostgreSqlStoreOptions>? configure = null, TimeProvider? time = null)
    {
        var host = new Host(
            Database,
            options =>
            {
                options.Layout = PostgreSqlLayout.CitusReady;
                configure?.Invoke(options);
            },
            builder => builder.Services.AddSingleton(time ?? TimeProvider.System));
        _hosts.Add(host);
        return host;
    }
}
