using Matrix.ToDevice;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Names a homeserver's own <see cref="DbContext"/> as the store of the send-to-device module.</summary>
public static class EntityFrameworkBuilderExtensions
{
    /// <summary>
    /// Keeps everything in the database of <typeparamref name="TContext"/>, in the tables that
    /// <see cref="ToDeviceModelBuilderExtensions.AddToDevice"/> puts into its model. Any number of hosts may share it.
    /// </summary>
    /// <remarks>
    /// The context is registered as usual, with <c>AddDbContext</c>, <c>AddDbContextPool</c> or <c>AddDbContextFactory</c>. Each call
    /// takes a context of its own, never the one of a request. Any relational provider will do.
    /// </remarks>
    /// <typeparam name="TContext">The homeserver's context.</typeparam>
    /// <param name="builder">The module's builder.</param>
    public static ISendToDeviceBuilder UseEntityFrameworkCore<TContext>(this ISendToDeviceBuilder builder)
        where TContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(builder);

        builder.Services.TryAddSingleton(TimeProvider.System);
        // What cannot work is found out at start, not by the first client.
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, EntityFrameworkStart<TContext>>());
        return builder.UseStore<EntityFrameworkStore<TContext>>();
    }
}
