using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice;

/// <summary>Tells a host at start what it forgot to register, or registered wrongly, and the call that mends it.</summary>
internal sealed class Registration(IServiceCollection services)
{
    private static readonly Type[] s_ofRequests =
    [
        typeof(IAuthResolver), typeof(IDeviceDirectory), typeof(ITransactionStore), typeof(IDeviceInbox), typeof(IFederationOutbox),
        typeof(IStoreUpkeep), typeof(IMessagePolicy), typeof(ToDeviceSync),
    ];

    private static readonly (Type Seam, string Call)[] s_parts =
    [
        (typeof(ITransactionStore), "UseStore"), (typeof(IAuthResolver), "UseAuth"),
        (typeof(IDeviceDirectory), "UseDirectory"), (typeof(IFederationTransport), "UseFederation"),
        (typeof(IRemoteDeviceObserver), "UseRemoteDeviceObserver"),
        (typeof(IAppserviceTransport), "UseAppservices"),
        (typeof(IDehydratedDevices), "UseDehydratedDevices"), (typeof(IIgnoredUsers), "UseIgnoredUsers"),
        (typeof(IMessagePolicy), "UseMessagePolicy"),
    ];

    private readonly IServiceCollection _services = services;

    public static void Check(IServiceProvider provider, string caller)
    {
        Require<ToDeviceSync>(provider, caller, "builder.Services.AddSendToDevice()");
        Require<ITransactionStore>(provider, caller, "a store, for example .UseInMemory(), behind AddSendToDevice()");
        Require<IDeviceInbox>(provider, caller, "a store, for example .UseInMemory(), behind AddSendToDevice()");
        Require<IAuthResolver>(provider, caller, ".UseAuth<YourAuthResolver>() or .UseClaimsAuth(…) behind AddSendToDevice()");
        Require<IDeviceDirectory>(provider, caller, ".UseDirectory<YourDeviceDirectory>() behind AddSendToDevice()");
        provider.GetService<Registration>()?.RefuseCaptives();
    }

    /// <summary>Whether everything that the host has given the module, and a send or a sync needs, is one for all requests.</summary>
    public static bool IsOneForAllRequests(IServiceProvider provider)
    {
        // Containers of others may hold more than what was registered, and otherwise.
        if (provider.GetType().Assembly != typeof(ServiceProvider).Assembly || provider.GetService<Registration>() is not { } registration) return false;
        return registration._services.Where(service => !service.IsKeyedService && Array.IndexOf(s_ofRequests, service.ServiceType) >= 0)
            .All(service => service.Lifetime == ServiceLifetime.Singleton || service == SendToDeviceServiceCollectionExtensions.Sync);
    }

    /// <summary>
    /// Whether the container agrees: a host that is put together of parts may have copied what was registered, and changed it in the copy.
    /// </summary>
    public static bool IsSameInEachScope(IServiceProvider provider)
    {
        var (one, other) = (provider.CreateAsyncScope(), provider.CreateAsyncScope());
        try
        {
            return s_ofRequests.All(type => one.ServiceProvider.GetService(type) is var part
                && (part?.GetType() == typeof(ToDeviceSync) || ReferenceEquals(part, other.ServiceProvider.GetService(type))));
        }
        finally
        {
            // There is something to dispose only when it does not, and only once.
            one.DisposeAsync().AsTask().GetAwaiter().GetResult();
            other.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    public static void Require<TService>(IServiceProvider provider, string caller, string call)
    {
        if (!provider.GetRequiredService<IServiceProviderIsService>().IsService(typeof(TService)))
            throw new InvalidOperationException($"{caller}() needs {typeof(TService).Name}. Add {call}.");
    }

    // A DbContext in the only instance of a class would be everybody's at once. Hosts find that out in Development alone.
    private void RefuseCaptives()
    {
        foreach (var part in _services.Where(service => !service.IsKeyedService && service.Lifetime == ServiceLifetime.Singleton))
        {
            if (part.ImplementationType is not { } type) continue;
            var call = s_parts.FirstOrDefault(candidate => type.IsAssignableTo(candidate.Seam)).Call;
            if (call is null || ScopedNeedOf(type, []) is not { } need) continue;
            throw new InvalidOperationException(
                $"{call}<{type.Name}>() makes one {type.Name} for all requests, and it needs {need.Name}, of which each request has its own. "
                + $"Say {call}<{type.Name}>(lifetime: ServiceLifetime.Scoped).");
        }
    }

    /// <summary>What each request has for itself, and a class needs, or somebody whom it needs: all of them live as long as it does.</summary>
    private Type? ScopedNeedOf([DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] Type implementation, Dictionary<Type, Type?> known)
    {
        if (known.TryGetValue(implementation, out var need)) return need;
        known[implementation] = null;
        var needs = implementation.GetConstructors()
            .Select(constructor => constructor.GetParameters().Select(parameter => ScopedIn(parameter.ParameterType, known)).FirstOrDefault(found => found is not null)).ToList();
        return known[implementation] = needs.Contains(null) ? null : needs.FirstOrDefault();
    }

    private Type? ScopedIn(Type type, Dictionary<Type, Type?> known)
    {
        var service = Find(type) ?? (type.IsConstructedGenericType ? Find(type.GetGenericTypeDefinition()) : null);
        if (service is not null)
        {
            return service.Lifetime == ServiceLifetime.Scoped ? type
                : service.ImplementationType is { } implementation ? ScopedNeedOf(implementation, known) : null;
        }

        // All that there are of a service.
        return type.IsConstructedGenericType && type.GetGenericTypeDefinition() == typeof(IEnumerable<>) ? ScopedIn(type.GenericTypeArguments[0], known) : null;
    }

    private ServiceDescriptor? Find(Type type) => _services.LastOrDefault(service => !service.IsKeyedService && service.ServiceType == type);
}
