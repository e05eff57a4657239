using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>A schema of its own for each store, on a real server.</summary>
internal sealed class PostgreSqlTarget(Func<string> connectionString) : StoreTarget
{
    public override string Name => "PostgreSQL";

    public override StoreClaims Claims => StoreClaims.Outbox | StoreClaims.Durable | StoreClaims.SeveralInstances;

    public override ValueTask<StoreInstance> OpenAsync(string data, TimeProvider time, CancellationToken cancellationToken)
    {
        var services = new ServiceCollection();
        services.AddSingleton(time).AddSendToDevice().UsePostgreSql(options =>
        {
            options.ConnectionString = connectionString();
            options.Schema = data;
        });
        return new(StoreInstance.Of(services.BuildServiceProvider()));
    }
}
