using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>The store that the tests of this project run on.</summary>
internal static class TestStore
{
    public static ISendToDeviceBuilder UseTestStore(this ISendToDeviceBuilder builder) => builder.UseInMemory();

    /// <summary>In the place of the store, that of another host: nobody here is told what is committed to it, but by the module's endpoint.</summary>
    public static void UseStoreOfAnotherHost(this ISendToDeviceBuilder builder)
    {
        var other = new ServiceCollection().AddSendToDevice().UseTestStore().Services.BuildServiceProvider();
        builder.Services.Replace(ServiceDescriptor.Singleton<ITransactionStore>(_ => other.GetRequiredService<ITransactionStore>()));
        builder.Services.Replace(ServiceDescriptor.Singleton<IDeviceInbox>(_ => other.GetRequiredService<IDeviceInbox>()));
        builder.Services.Replace(ServiceDescriptor.Singleton<IFederationOutbox>(_ => other.GetRequiredService<IFederationOutbox>()));
    }
}
