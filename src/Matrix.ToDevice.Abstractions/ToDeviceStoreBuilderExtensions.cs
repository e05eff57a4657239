using System.Diagnostics.CodeAnalysis;
using Matrix.ToDevice;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Names the store of the send-to-device module. A later call replaces an earlier one.</summary>
public static class ToDeviceStoreBuilderExtensions
{
    /// <summary>
    /// Uses a store. It must be one class: what it appends to inboxes is committed with its transactions. When it is an
    /// <see cref="IFederationOutbox"/> too, messages to users of other servers go there; when it is an <see cref="IStoreUpkeep"/>, inboxes
    /// can have a quota and messages an expiry.
    /// </summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="lifetime">
    /// How long one instance lives: <see cref="ServiceLifetime.Scoped"/> is one request. A <see cref="ServiceLifetime.Transient"/> store
    /// would be another one for each part of a send, which could not commit together.
    /// </param>
    /// <exception cref="ArgumentException">The lifetime is <see cref="ServiceLifetime.Transient"/>.</exception>
    public static ISendToDeviceBuilder UseStore<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] TStore>(
        this ISendToDeviceBuilder builder, ServiceLifetime lifetime = ServiceLifetime.Singleton)
        where TStore : class, ITransactionStore, IDeviceInbox
    {
        ArgumentNullException.ThrowIfNull(builder);
        if (lifetime == ServiceLifetime.Transient)
        {
            throw new ArgumentException(
                $"UseStore<{typeof(TStore).Name}>(Transient) would make a store for each part of a send. Say Scoped or Singleton.", nameof(lifetime));
        }

        var services = builder.Services;
        services.Replace(ServiceDescriptor.Describe(typeof(TStore), typeof(TStore), lifetime));
        Forward<ITransactionStore>();
        Forward<IDeviceInbox>();
        if (typeof(TStore).IsAssignableTo(typeof(IFederationOutbox))) Forward<IFederationOutbox>();
        else services.RemoveAll<IFederationOutbox>();
        if (typeof(TStore).IsAssignableTo(typeof(IStoreUpkeep))) Forward<IStoreUpkeep>();
        else services.RemoveAll<IStoreUpkeep>();
        return builder;

        void Forward<TSeam>() where TSeam : class => services.Replace(ServiceDescriptor.Describe(
            typeof(TSeam), provider => provider.GetRequiredService<TStore>(), lifetime));
    }
}
