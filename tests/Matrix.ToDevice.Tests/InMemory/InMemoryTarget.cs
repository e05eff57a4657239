using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

internal sealed class InMemoryTarget : StoreTarget
{
    public override string Name => "In memory";

    public override StoreClaims Claims => StoreClaims.Outbox | StoreClaims.Upkeep;

    public override ValueTask<StoreInstance> OpenAsync(string data, TimeProvider time, CancellationToken cancellationToken)
    {
        var services = new ServiceCollection();
        services.AddSingleton(time).AddSendToDevice().UseInMemory();
        return new(StoreInstance.Of(services.BuildServiceProvider()));
    }
}
