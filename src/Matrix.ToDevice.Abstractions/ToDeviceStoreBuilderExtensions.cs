using System.Diagnostics.CodeAnalysis;
using Matrix.ToDevice;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Names the store of the send-to-device module. A later call replaces an earlier one.</summary>
public static class ToDeviceStoreBuilderExtensions
{
    /// <summary>
    /// Uses a store. It must be one class: what it appends to inboxes is committed with its transactions. When it is an
    /// <see cref="IFederationOutbox"/> too, messages to users of other servers go there.
    /// </summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="lifetime">How long one instance lives.</param>
    public static ISendToDeviceBuilder UseStore<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] TStore>(
        this ISendToDeviceBuilder builder, ServiceLifetime lifetime = ServiceLifetime.Singleton)
        where TStore : class, ITransactionStore, IDeviceInbox
    {
        ArgumentNullException.ThrowIfNull(builder);

        var services = builder.Services;
        services.Replace(ServiceDescriptor.Describe(typeof(TStore), typeof(TStore), lifetime));
        Forward<ITransactionStore>();
        Forward<IDeviceInbox>();
        if (typeof(TStore).IsAssignableTo(typeof(IFederationOutbox))) Forward<IFederationOutbox>();
        else services.RemoveAll<IFederationOutbox>();
        return builder;

        void Forward<TSeam>() where TSeam : class => services.Replace(ServiceDescriptor.Describe(
            typeof(TSeam), provider => provider.GetRequiredService<TStore>(), lifetime));
    }
}
