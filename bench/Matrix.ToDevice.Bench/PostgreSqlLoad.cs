namespace Matrix.ToDevice.Bench;

/// <summary>What is sent to the PostgreSQL store.</summary>
/// <param name="ConnectionString">The database.</param>
/// <param name="Body">What each request holds.</param>
/// <param name="Senders">How many send at once.</param>
/// <param name="Requests">How many requests in all.</param>
/// <param name="Recipients">Among how many devices the targets are spread.</param>
/// <param name="Notifications">Whether hosts wake each other's syncs.</param>
internal sealed record PostgreSqlLoad(
    string ConnectionString, Body Body, int Senders, int Requests, int Recipients = Body.Recipients, bool Notifications = true)
{
    public ServiceProvider CreateHost()
    {
        var services = new ServiceCollection();
        services.AddSendToDevice().UsePostgreSql(options => (options.ConnectionString, options.Notifications) = (ConnectionString, Notifications));
        return services.BuildServiceProvider();
    }

    /// <summary>By one host, in this process.</summary>
    public async Task<Figures> RunAsync()
    {
        await using var host = CreateHost();
        var (latencies, elapsed) = await StoreLoad.RunAsync([host], Body, Senders, Requests, Recipients);
        return Figures.Of(latencies, elapsed);
    }
}
