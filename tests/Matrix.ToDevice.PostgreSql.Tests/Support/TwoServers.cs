using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>Two servers on one database; Alice is logged in on the first, Bob on the second, and both know them.</summary>
internal sealed class TwoServers : IAsyncDisposable
{
    private TwoServers(TestHomeserver one, TestHomeserver two)
    {
        (One, Two) = (one, two);
        foreach (var server in (TestHomeserver[])[one, two])
        {
            var (alice, bob) = (server.Login("@alice:hs1", "A1"), server.Login("@bob:hs1", "B1"));
            if (server == one) Alice = alice;
            else Bob = bob;
        }
    }

    public TestHomeserver One { get; }
    public TestHomeserver Two { get; }
    public TestClient Alice { get; } = null!;
    public TestClient Bob { get; } = null!;

    public static async Task<TwoServers> StartAsync(string database, TimeSpan pollInterval, string? second = null)
    {
        return new TwoServers(await StartAsync(database), await StartAsync(second ?? database));

        Task<TestHomeserver> StartAsync(string connectionString) => TestHomeserver.StartAsync(builder =>
        {
            builder.UsePostgreSql(options => (options.ConnectionString, options.Schema) = (connectionString, "to_device"));
            builder.Services.Configure<SendToDeviceOptions>(options => options.SyncPollInterval = pollInterval);
        });
    }

    public async ValueTask DisposeAsync()
    {
        await One.DisposeAsync();
        await Two.DisposeAsync();
    }
}
