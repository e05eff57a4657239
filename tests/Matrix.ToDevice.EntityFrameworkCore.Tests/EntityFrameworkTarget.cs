using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>A database of its own for each store.</summary>
internal sealed class EntityFrameworkTarget(ITestDatabase databases) : StoreTarget
{
    public override string Name => databases.GetType().Name;

    public override StoreClaims Claims => StoreClaims.Outbox | StoreClaims.Durable | StoreClaims.SeveralInstances;

    public override async ValueTask<StoreInstance> OpenAsync(string data, TimeProvider time, CancellationToken cancellationToken)
    {
        var services = new ServiceCollection();
        services.AddDbContextPool<HomeserverDb>(options => databases.Use(options, data));
        services.AddSingleton(time).AddSendToDevice().UseEntityFrameworkCore<HomeserverDb>();
        var provider = services.BuildServiceProvider();
        await using var scope = provider.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<HomeserverDb>().Database.EnsureCreatedAsync(cancellationToken);
        return StoreInstance.Of(provider);
    }

    public override ValueTask DeleteAsync(string data, CancellationToken cancellationToken) => databases.DeleteAsync(data);
}
