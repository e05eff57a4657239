using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>A face of the server's store of which one method fails.</summary>
#pragma warning disable CA1852 // Proxies are classes that are made of this one.
internal class FailingSeam : DispatchProxy
#pragma warning restore CA1852
{
    public const string Message = "The store has failed.";

    private object _inner = null!;
    private string _method = "";

    /// <summary>Has a method of the store fail, of whichever seam it is.</summary>
    public static void Add(ISendToDeviceBuilder builder, string method)
    {
        Add<ITransactionStore>(builder.Services, method);
        Add<IDeviceInbox>(builder.Services, method);
        Add<IFederationOutbox>(builder.Services, method);
    }

    public static void RemoveUpkeep(ISendToDeviceBuilder builder) => builder.Services.RemoveAll<IStoreUpkeep>();

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if ($"{targetMethod!.DeclaringType!.Name}.{targetMethod.Name}".EndsWith(_method, StringComparison.Ordinal)) throw new IOException(Message);
        return targetMethod.Invoke(_inner, args);
    }

    private static void Add<TSeam>(IServiceCollection services, string method)
        where TSeam : class
    {
        if (services.LastOrDefault(service => service.ServiceType == typeof(TSeam))?.ImplementationFactory is not { } original) return;
        services.Replace(ServiceDescriptor.Singleton(provider =>
        {
            var seam = Create<TSeam, FailingSeam>();
            ((FailingSeam)(object)seam)._inner = original(provider);
            ((FailingSeam)(object)seam)._method = method;
            return seam;
        }));
    }
}
