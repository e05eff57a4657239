using System.Diagnostics.CodeAnalysis;
using System.Threading.RateLimiting;
using Matrix.ToDevice;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Names the parts that a homeserver plugs into the send-to-device module. A later call replaces an earlier one.</summary>
public static class SendToDeviceBuilderExtensions
{
    private const DynamicallyAccessedMemberTypes Constructors = DynamicallyAccessedMemberTypes.PublicConstructors;

    /// <summary>Keeps everything in memory: for tests, and for hosts that accept that a restart loses what is pending.</summary>
    public static ISendToDeviceBuilder UseInMemory(this ISendToDeviceBuilder builder, Action<InMemoryOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);

        var options = builder.Services.AddOptions<InMemoryOptions>().ValidateOnStart();
        if (configure is not null) options.Configure(configure);
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<InMemoryOptions>, InMemoryOptionsValidator>());
        return builder.UseStore<InMemoryStore>();
    }

    /// <summary>Uses a class to tell who makes a request.</summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="lifetime">How long one instance lives; <see cref="ServiceLifetime.Scoped"/> is one request.</param>
    public static ISendToDeviceBuilder UseAuth<[DynamicallyAccessedMembers(Constructors)] TAuthResolver>(
        this ISendToDeviceBuilder builder, ServiceLifetime lifetime = ServiceLifetime.Singleton)
        where TAuthResolver : class, IAuthResolver
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Replace(ServiceDescriptor.Describe(typeof(IAuthResolver), typeof(TAuthResolver), lifetime));
        return builder;
    }

    /// <summary>Uses a function to tell who makes a request. <see cref="MatrixAccessToken.Read"/> finds the token.</summary>
    public static ISendToDeviceBuilder UseAuth(
        this ISendToDeviceBuilder builder, Func<HttpContext, CancellationToken, ValueTask<AuthResult>> resolve)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(resolve);
        builder.Services.Replace(ServiceDescriptor.Singleton<IAuthResolver>(new DelegateAuthResolver(resolve)));
        return builder;
    }

    /// <summary>Reads who makes a request from the claims of <c>HttpContext.User</c>, for hosts with ASP.NET Core authentication.</summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="userIdClaim">The claim that holds the full user ID, <c>@localpart:server</c>.</param>
    /// <param name="deviceIdClaim">The claim that holds the device ID.</param>
    /// <param name="configure">Names the claims of guests and appservices, if there are any.</param>
    public static ISendToDeviceBuilder UseClaimsAuth(
        this ISendToDeviceBuilder builder, string userIdClaim, string deviceIdClaim, Action<ClaimsAuthOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrWhiteSpace(userIdClaim);
        ArgumentException.ThrowIfNullOrWhiteSpace(deviceIdClaim);
        builder.Services.Configure<ClaimsAuthOptions>(options => (options.UserIdClaim, options.DeviceIdClaim) = (userIdClaim, deviceIdClaim));
        if (configure is not null) builder.Services.Configure(configure);
        return builder.UseAuth<ClaimsAuthResolver>();
    }

    /// <summary>Uses a class to tell which devices users have.</summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="lifetime">How long one instance lives; <see cref="ServiceLifetime.Scoped"/> is one request.</param>
    public static ISendToDeviceBuilder UseDirectory<[DynamicallyAccessedMembers(Constructors)] TDirectory>(
        this ISendToDeviceBuilder builder, ServiceLifetime lifetime = ServiceLifetime.Singleton)
        where TDirectory : class, IDeviceDirectory
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Replace(ServiceDescriptor.Describe(typeof(IDeviceDirectory), typeof(TDirectory), lifetime));
        return builder;
    }

    /// <summary>Uses a function to tell which devices users have.</summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="find">As <see cref="IDeviceDirectory.FindAsync"/>; it gets the services of the request.</param>
    public static ISendToDeviceBuilder UseDirectory(
        this ISendToDeviceBuilder builder,
        Func<IServiceProvider, IReadOnlyList<string>, CancellationToken, ValueTask<IReadOnlyList<UserDevices>>> find)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(find);
        builder.Services.Replace(ServiceDescriptor.Scoped<IDeviceDirectory>(services => new DelegateDirectory(services, find)));
        return builder;
    }

    /// <summary>Uses a class that is told about devices of other servers' users, so that a stale device list is noticed.</summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="lifetime">How long one instance lives; <see cref="ServiceLifetime.Scoped"/> is one request.</param>
    public static ISendToDeviceBuilder UseRemoteDeviceObserver<[DynamicallyAccessedMembers(Constructors)] TObserver>(
        this ISendToDeviceBuilder builder, ServiceLifetime lifetime = ServiceLifetime.Singleton)
        where TObserver : class, IRemoteDeviceObserver
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Replace(ServiceDescriptor.Describe(typeof(IRemoteDeviceObserver), typeof(TObserver), lifetime));
        return builder;
    }

    /// <summary>
    /// Drops messages of ignored users when they would be handed out (R60): each sync, its waits and the events of dehydrated devices
    /// are without them. Dropped messages do not come back when somebody is not ignored any more. Without this call, nothing is dropped.
    /// </summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="lifetime">How long one instance lives; <see cref="ServiceLifetime.Scoped"/> is one look at the list.</param>
    public static ISendToDeviceBuilder UseIgnoredUsers<[DynamicallyAccessedMembers(Constructors)] TIgnoredUsers>(
        this ISendToDeviceBuilder builder, ServiceLifetime lifetime = ServiceLifetime.Singleton)
        where TIgnoredUsers : class, IIgnoredUsers
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Replace(ServiceDescriptor.Describe(typeof(IIgnoredUsers), typeof(TIgnoredUsers), lifetime));
        return builder;
    }

    /// <summary>
    /// Uses a class that rejects sends, or drops messages of them, by the homeserver's own rules: against spam, for example. Asked for
    /// each send, and for each EDU of another server. Without this call, nothing is asked.
    /// </summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="lifetime">How long one instance lives; <see cref="ServiceLifetime.Scoped"/> is one request.</param>
    public static ISendToDeviceBuilder UseMessagePolicy<[DynamicallyAccessedMembers(Constructors)] TPolicy>(
        this ISendToDeviceBuilder builder, ServiceLifetime lifetime = ServiceLifetime.Singleton)
        where TPolicy : class, IMessagePolicy
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Replace(ServiceDescriptor.Describe(typeof(IMessagePolicy), typeof(TPolicy), lifetime));
        return builder;
    }

    /// <summary>
    /// Limits what is sent, after authentication, with token buckets: <see cref="SendToDeviceOptions.RateLimits"/>. What is refused is
    /// answered 429 <c>M_LIMIT_EXCEEDED</c> and uses up no transaction (D14).
    /// </summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="configure">Sets the limits.</param>
    public static ISendToDeviceBuilder LimitRates(this ISendToDeviceBuilder builder, Action<RateLimitOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        builder.Services.Configure<SendToDeviceOptions>(options => configure(options.RateLimits));
        return builder;
    }

    /// <summary>
    /// Limits what is sent with limiters of the host, in the place of the token buckets of the options. They are asked for permits that
    /// are there at once, and not queued for; what they give is held until the send is done.
    /// </summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="senders">One permit for each send, before its body is read.</param>
    /// <param name="recipients">One permit for each user that a send, or an EDU of another server, names.</param>
    /// <param name="servers">
    /// As many permits as there are to-device EDUs in a transaction of another server: up to <see cref="InboundTransaction.MaxEdus"/>, at once.
    /// </param>
    public static ISendToDeviceBuilder LimitRates(
        this ISendToDeviceBuilder builder,
        PartitionedRateLimiter<Requester>? senders,
        PartitionedRateLimiter<SenderToRecipient>? recipients = null,
        PartitionedRateLimiter<string>? servers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Replace(ServiceDescriptor.Singleton(new RateLimiters(senders, recipients, servers)));
        return builder;
    }

    /// <summary>Uses a class to tell which device of a user is dehydrated, for <c>MapDehydratedDeviceEvents()</c> (R110).</summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="lifetime">How long one instance lives; <see cref="ServiceLifetime.Scoped"/> is one request.</param>
    public static ISendToDeviceBuilder UseDehydratedDevices<[DynamicallyAccessedMembers(Constructors)] TDehydratedDevices>(
        this ISendToDeviceBuilder builder, ServiceLifetime lifetime = ServiceLifetime.Singleton)
        where TDehydratedDevices : class, IDehydratedDevices
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Replace(ServiceDescriptor.Describe(typeof(IDehydratedDevices), typeof(TDehydratedDevices), lifetime));
        return builder;
    }

    /// <summary>
    /// Sends messages for users of other servers: empties the store's <see cref="IFederationOutbox"/> through the homeserver's
    /// transport, in order, each EDU until its destination has it (D16). A host that has a queue of its own for other servers
    /// leaves this out, and reads the outbox itself.
    /// </summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="configure">Changes limits and times.</param>
    /// <param name="lifetime">How long one instance of the transport lives; <see cref="ServiceLifetime.Scoped"/> is as long as one
    /// destination is sent to.</param>
    public static ISendToDeviceBuilder UseFederation<[DynamicallyAccessedMembers(Constructors)] TTransport>(
        this ISendToDeviceBuilder builder,
        Action<FederationSenderOptions>? configure = null,
        ServiceLifetime lifetime = ServiceLifetime.Singleton)
        where TTransport : class, IFederationTransport
    {
        ArgumentNullException.ThrowIfNull(builder);

        var options = builder.Services.AddOptions<FederationSenderOptions>().ValidateOnStart();
        if (configure is not null) options.Configure(configure);
        builder.Services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<FederationSenderOptions>, FederationSenderOptionsValidator>());
        builder.Services.Replace(ServiceDescriptor.Describe(typeof(IFederationTransport), typeof(TTransport), lifetime));
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, FederationSender>());
        return builder;
    }

    /// <summary>
    /// Pushes messages for users of appservices: a send puts them into the appservice's queue, in the same commit as everything else of it,
    /// and they are sent through the homeserver's transport, in order, each until the appservice has it (R104, R105). With or without
    /// <see cref="UseFederation"/>; the same on every host of this server.
    /// </summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="configure">Names the appservices; changes limits and times.</param>
    /// <param name="lifetime">How long one instance of the transport lives; <see cref="ServiceLifetime.Scoped"/> is as long as one
    /// appservice is sent to.</param>
    public static ISendToDeviceBuilder UseAppservices<[DynamicallyAccessedMembers(Constructors)] TTransport>(
        this ISendToDeviceBuilder builder, Action<AppserviceOptions> configure, ServiceLifetime lifetime = ServiceLifetime.Singleton)
        where TTransport : class, IAppserviceTransport
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);

        builder.Services.AddOptions<AppserviceOptions>().Configure(configure).ValidateOnStart();
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<AppserviceOptions>, AppserviceOptionsValidator>());
        builder.Services.Replace(ServiceDescriptor.Describe(typeof(IAppserviceTransport), typeof(TTransport), lifetime));
        builder.Services.TryAddSingleton<AppserviceQueues>();
        builder.Services.TryAddSingleton<AppserviceSender>();
        builder.Services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IHostedService, AppserviceSender>(provider => provider.GetRequiredService<AppserviceSender>()));
        return builder;
    }
}
