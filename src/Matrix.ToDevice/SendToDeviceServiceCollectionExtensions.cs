using Matrix.ToDevice;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds the send-to-device module to a homeserver.</summary>
public static class SendToDeviceServiceCollectionExtensions
{
    /// <summary>The module's own, and not a host's in its place.</summary>
    internal static ServiceDescriptor Sync { get; } = ServiceDescriptor.Transient(provider => new ToDeviceSync(
        provider.GetRequiredService<IDeviceInbox>(),
        provider.GetRequiredService<IgnoredSenders>(),
        provider.GetRequiredService<InboxSignals>(),
        provider.GetRequiredService<EmptyInboxes>(),
        provider.GetRequiredService<ToDeviceMetrics>(),
        provider.GetRequiredService<ToDeviceTraces>(),
        provider.GetRequiredService<IOptions<SendToDeviceOptions>>(),
        provider.GetRequiredService<TimeProvider>(),
        provider.GetRequiredService<QuietLogger<ToDeviceSync>>()));

    /// <summary>
    /// Adds the module. Then name a store, an <see cref="IAuthResolver"/> and an <see cref="IDeviceDirectory"/> on the
    /// result, and map the endpoint with <c>app.MapSendToDevice()</c>. Calling it again only adds to the configuration.
    /// </summary>
    /// <param name="services">The application's services.</param>
    /// <param name="configure">Changes the module's limits and times.</param>
    public static ISendToDeviceBuilder AddSendToDevice(
        this IServiceCollection services, Action<SendToDeviceOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);

        var options = services.AddOptions<SendToDeviceOptions>().ValidateOnStart();
        if (configure is not null) options.Configure(configure);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<SendToDeviceOptions>, SendToDeviceOptionsValidator>());
        services.AddLogging();
        services.AddMetrics();
        services.TryAddSingleton(TimeProvider.System);

        services.TryAddSingleton(new Registration(services));
        services.TryAddSingleton(typeof(QuietLogger<>));
        services.TryAddSingleton<ToDeviceMetrics>();
        services.TryAddSingleton<ToDeviceTraces>();
        services.TryAddSingleton<LatestStatistics>();
        services.TryAddSingleton<StatisticsGauges>();
        services.TryAddSingleton<StoreProbe>();
        services.TryAddSingleton<MatrixRouteNames>();
        services.TryAddSingleton<EmptyInboxes>();
        services.TryAddSingleton<InboxSignals>();
        services.TryAddSingleton<IInboxSignals>(provider => provider.GetRequiredService<InboxSignals>());
        services.TryAddSingleton<OutboxSignal>();
        services.TryAddSingleton<OutboxLine>();
        services.TryAddSingleton<SenderTurns>();
        services.TryAddSingleton<IgnoredSenders>();
        // Transient, because a host's own parts may be scoped.
        services.TryAddTransient<SendCommit>();
        services.TryAddTransient<SendToDeviceHandler>();
        services.TryAddTransient<ToDeviceSyncHandler>();
        services.TryAdd(Sync);
        services.TryAddTransient<DehydratedDeviceEventsHandler>();
        services.TryAddTransient(provider => new DehydratedDeviceEvents(
            provider.GetRequiredService<IDeviceInbox>(),
            provider.GetRequiredService<IDehydratedDevices>(),
            provider.GetRequiredService<IgnoredSenders>(),
            provider.GetRequiredService<ToDeviceMetrics>(),
            provider.GetRequiredService<IOptions<SendToDeviceOptions>>(),
            provider.GetRequiredService<QuietLogger<DehydratedDeviceEvents>>()));
        services.TryAddTransient(provider => new FederationReceiver(
            provider.GetRequiredService<SendCommit>(),
            provider.GetRequiredService<ToDeviceMetrics>(),
            provider.GetRequiredService<IOptions<SendToDeviceOptions>>(),
            provider.GetRequiredService<QuietLogger<FederationReceiver>>(),
            provider.GetService<IRemoteDeviceObserver>()));

        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, TransactionPurge>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, StatisticsSampler>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IStartupFilter, DotSegments>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IPostConfigureOptions<RateLimiterOptions>, MatrixRateLimiting>());
        return new SendToDeviceBuilder(services);
    }

    private sealed class SendToDeviceBuilder(IServiceCollection services) : ISendToDeviceBuilder
    {
        public IServiceCollection Services { get; } = services;
    }
}
