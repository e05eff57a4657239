using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>Another host, of which a server has only the store: of what is committed there, it is told nothing.</summary>
internal sealed class OtherHost : IAsyncDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddSendToDevice().UseTestStore().Services.BuildServiceProvider();

    /// <summary>Puts its store in the place of the server's own.</summary>
    public static void UseStore(ISendToDeviceBuilder builder)
    {
        builder.Services.AddSingleton<OtherHost>();
        Replace<ITransactionStore>(builder.Services);
        Replace<IDeviceInbox>(builder.Services);
        Replace<IFederationOutbox>(builder.Services);
    }

    public ValueTask DisposeAsync() => _services.DisposeAsync();

    private static void Replace<TSeam>(IServiceCollection services) where TSeam : class => services.Replace(
        ServiceDescriptor.Singleton(provider => provider.GetRequiredService<OtherHost>()._services.GetRequiredService<TSeam>()));
}
