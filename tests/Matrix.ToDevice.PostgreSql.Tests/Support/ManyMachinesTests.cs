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

    /// <summary>How many there are: what goes to buckets of one goes together.</summary>
    private protected virtual int Machines => 256;

    [SetUp]
    public void SetUpDatabase()
    {
        Database = TestCluster.NewDatabase();
        View = new DatabaseView(Database);
        // What a cluster's catalogue says.
        View.Execute($"""
            CREATE TABLE public.pg_dist_node (groupid integer, nodename text, nodeport integer, noderole text);
            INSERT INTO public.pg_dist_node SELECT m, 'machine' || m, 5432, 'primary' FROM generate_series(0, {Machines - 1}) m;
            CREATE TABLE public.pg_dist_placement AS SELECT m::bigint AS shardid, m AS groupid FROM generate_series(0, {Machines - 1}) m;
            CREATE FUNCTION public.get_shard_id_for_distribution_column(regclass, integer) RETURNS bigint LANGUAGE sql AS 'SELECT ($2 % {Machines})::bigint';
            """);
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
