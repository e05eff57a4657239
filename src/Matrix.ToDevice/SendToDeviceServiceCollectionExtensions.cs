using Matrix.ToDevice;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Configuration;
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
        provider.GetRequiredService<HiddenMessages>(),
        provider.GetRequiredService<InboxSignals>(),
        provider.GetRequiredService<EmptyInboxes>(),
        provider.GetRequiredService<ToDeviceMetrics>(),
        provider.GetRequiredService<ToDeviceTraces>(),
        provider.GetRequiredService<CurrentOptions>(),
        provider.GetRequiredService<TimeProvider>(),
        provider.GetRequiredService<QuietLogger<ToDeviceSync>>()));

    /// <summary>
    /// Adds the module. Then name a store, an <see cref="IAuthResolver"/> and an <see cref="IDeviceDirectory"/> on the
    /// result, and map the endpoint with <c>app.MapSendToDevice()</c>. Calling it again only adds to the configuration.
    /// </summary>
    /// <param name="services">The application's services.</param>
    /// <param name="section">
    /// A section of the configuration, <c>builder.Configuration.GetSection("ToDevice")</c>: its keys are the names of the options, and
    /// <c>Federation</c>, <c>Appservices</c> and <c>InMemory</c> in it are sections of their own. A key that is no option is an error at
    /// start. When it changes, the module's own options are read anew; ones that are not valid are logged, and the last good ones stay.
    /// </param>
    /// <param name="configure">Changes the module's limits and times, whatever the section says.</param>
    public static ISendToDeviceBuilder AddSendToDevice(
        this IServiceCollection services, IConfigurationSection section, Action<SendToDeviceOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(section);

        services.AddSingleton(new BoundSection(section));
        services.Configure<SendToDeviceOptions>(options => section.Bind(options));
        services.Configure<InMemoryOptions>(options => section.GetSection(BoundSection.InMemory).Bind(options));
        services.Configure<FederationSenderOptions>(options => section.GetSection(BoundSection.Federation).Bind(options));
        services.Configure<AppserviceOptions>(options => section.GetSection(BoundSection.Appservices).Bind(options));
        return services.AddSendToDevice(configure);
    }

    /// <summary><inheritdoc cref="AddSendToDevice(IServiceCollection, IConfigurationSection, Action{SendToDeviceOptions}?)" path="/summary"/></summary>
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
        services.TryAddSingleton<HiddenMessages>();
        services.TryAddSingleton<BoundSections>();
        services.TryAddSingleton<CurrentOptions>();
        services.TryAddSingleton<SendRates>();
        // Transient, because a host's own parts may be scoped.
        services.TryAddTransient<SendGate>();
        services.TryAddTransient<InboxQuota>();
        services.TryAddTransient<SendCommit>();
        services.TryAddTransient<SendToDeviceHandler>();
        services.TryAddTransient<ToDeviceSyncHandler>();
        services.TryAdd(Sync);
        services.TryAddTransient<DehydratedDeviceEventsHandler>();
        services.TryAddTransient(provider => new DehydratedDeviceEvents(
            provider.GetRequiredService<IDeviceInbox>(),
            provider.GetRequiredService<IDehydratedDevices>(),
            provider.GetRequiredService<HiddenMessages>(),
            provider.GetRequiredService<ToDeviceMetrics>(),
            provider.GetRequiredService<CurrentOptions>(),
            provider.GetRequiredService<QuietLogger<DehydratedDeviceEvents>>()));
        services.TryAddTransient(provider => new FederationReceiver(
            provider.GetRequiredService<SendCommit>(),
            provider.GetRequiredService<SendRates>(),
            provider.GetRequiredService<ToDeviceMetrics>(),
            provider.GetRequiredService<CurrentOptions>(),
            provider.GetRequiredService<QuietLogger<FederationReceiver>>(),
            provider.GetService<IRemoteDeviceObserver>()));

        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, Upkeep>());
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
