using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice.Tests;

public class RegistrationTests
{
    private static readonly Dictionary<string, Action<IServiceCollection>> s_forgotten = new()
    {
        ["AddSendToDevice()"] = _ => { },
        [".UseInMemory()"] = services => services.AddSendToDevice().UseClaimsAuth("sub", "device_id").UseDirectory<NobodyDirectory>(),
        [".UseAuth<YourAuthResolver>()"] = services => services.AddSendToDevice().UseInMemory().UseDirectory<NobodyDirectory>(),
        [".UseDirectory<YourDeviceDirectory>()"] = services => services.AddSendToDevice().UseInMemory().UseClaimsAuth("sub", "device_id"),
    };

    private static IEnumerable<string> Forgotten => s_forgotten.Keys;

    [TestCaseSource(nameof(Forgotten))]
    public async Task R20_a_forgotten_registration_is_named_with_the_call_to_add(string call)
    {
        var builder = WebApplication.CreateSlimBuilder();
        s_forgotten[call](builder.Services);
        await using var app = builder.Build();

        Assert.That(() => app.MapSendToDevice(),
            Throws.InvalidOperationException.With.Message.Contains(call).And.Message.Contains("MapSendToDevice()"));
        Assert.That(() => app.MapToDeviceSync(),
            Throws.InvalidOperationException.With.Message.Contains(call).And.Message.Contains("MapToDeviceSync()"));
    }

    [TestCase("UseStore<StoreOfScoped>")]
    [TestCase("UseAuth<AuthOfScoped>")]
    [TestCase("UseDirectory<ScopedDirectory>")]
    [TestCase("UseFederation<TransportOfScoped>")]
    [TestCase("UseAppservices<AppservicesOfScoped>")]
    [TestCase("UseMessagePolicy<PolicyOfScoped>")]
    public async Task R20_one_instance_that_needs_what_each_request_has_for_itself_is_refused_at_start(string call)
    {
        var builder = WebApplication.CreateSlimBuilder();
        // As in Production.
        builder.Host.UseDefaultServiceProvider(options => options.ValidateScopes = options.ValidateOnBuild = false);
        var parts = builder.Services.AddSendToDevice().UseInMemory().UseAuth<NobodyAuth>().UseDirectory<NobodyDirectory>();
        Action use = call switch
        {
            "UseStore<StoreOfScoped>" => () => parts.UseStore<StoreOfScoped>(),
            "UseAuth<AuthOfScoped>" => () => parts.UseAuth<AuthOfScoped>(),
            "UseDirectory<ScopedDirectory>" => () => parts.UseDirectory<ScopedDirectory>(),
            "UseMessagePolicy<PolicyOfScoped>" => () => parts.UseMessagePolicy<PolicyOfScoped>(),
            "UseAppservices<AppservicesOfScoped>" => () => parts.UseAppservices<AppservicesOfScoped>(_ => { }),
            _ => () => parts.UseFederation<TransportOfScoped>(),
        };
        use();
        // After the part: the order of calls is the host's.
        builder.Services.AddScoped<RequestsOwn>();
        await using var app = builder.Build();

        Assert.That(() => app.MapSendToDevice(),
            Throws.InvalidOperationException.With.Message.Contains(call).And.Message.Contains(nameof(RequestsOwn)).And.Message.Contains("Scoped"));
    }

    [TestCase("a transient one")]
    [TestCase("a singleton")]
    [TestCase("an open generic one")]
    [TestCase("all of them")]
    public async Task R20_and_so_is_one_that_needs_it_through_somebody_else(string between)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Host.UseDefaultServiceProvider(options => options.ValidateScopes = options.ValidateOnBuild = false);
        var parts = builder.Services.AddSendToDevice().UseInMemory().UseDirectory<NobodyDirectory>();
        if (between == "all of them") parts.UseAuth<AuthOf<IEnumerable<RequestsOwn>>>();
        else parts.UseAuth<AuthOf<Between<string>>>();
        builder.Services.AddScoped<RequestsOwn>();
        if (between == "a transient one") builder.Services.AddTransient<Between<string>>();
        if (between == "a singleton") builder.Services.AddSingleton<Between<string>>();
        if (between == "an open generic one") builder.Services.AddTransient(typeof(Between<>));
        await using var app = builder.Build();

        Assert.That(() => app.MapSendToDevice(), Throws.InvalidOperationException.With.Message.Contains("UseAuth<AuthOf").And.Message.Contains(nameof(RequestsOwn)));
    }

    [Test]
    public async Task R20_what_each_request_has_for_itself_may_be_of_an_open_generic_kind()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Host.UseDefaultServiceProvider(options => options.ValidateScopes = options.ValidateOnBuild = false);
        builder.Services.AddSendToDevice().UseInMemory().UseAuth<AuthOf<Between<string>>>().UseDirectory<NobodyDirectory>();
        builder.Services.AddScoped(typeof(Between<>)).AddSingleton<RequestsOwn>();
        await using var app = builder.Build();

        Assert.That(() => app.MapSendToDevice(), Throws.InvalidOperationException.With.Message.Contains("Between"));
    }

    [Test]
    public async Task R20_one_instance_may_need_others_of_which_there_is_one_instance()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Services.AddSendToDevice().UseInMemory().UseAuth<AuthOf<Between<string>>>().UseDirectory<NobodyDirectory>();
        builder.Services.AddTransient(typeof(Between<>)).AddSingleton<RequestsOwn>();
        await using var app = builder.Build();

        Assert.That(() => app.MapSendToDevice(), Throws.Nothing);
    }

    [Test]
    public async Task R20_adding_the_module_twice_is_harmless()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => builder.Services.AddSendToDevice(options => options.MaxContentBytes = 9));
        var alice = server.Login("@alice:hs1", "A1");

        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        // Its configuration was added to what was there, and nothing runs twice.
        (await alice.SendAsync("t2", "@bob:hs1", "B1", """{"k":"xx"}""")).ShouldBe(413, "M_TOO_LARGE");
        Assert.That(server.Services.GetServices<IHostedService>().Select(service => service.GetType()), Is.Unique);
        Assert.That(server.Services.GetServices<IStartupFilter>().Select(filter => filter.GetType()), Is.Unique);
    }

    [Test]
    public void R20_a_later_store_replaces_an_earlier_one()
    {
        var services = new ServiceCollection();
        services.AddSendToDevice().UseInMemory().UseStore<StoreWithoutOutbox>();
        using var replaced = services.BuildServiceProvider();

        Assert.That(replaced.GetServices<ITransactionStore>().Single(), Is.InstanceOf<StoreWithoutOutbox>());
        Assert.That(replaced.GetServices<IDeviceInbox>().Single(), Is.SameAs(replaced.GetRequiredService<ITransactionStore>()));
        // It has no outbox, and the earlier one's would belong to another store.
        Assert.That(replaced.GetService<IFederationOutbox>(), Is.Null);

        services.AddSendToDevice().UseInMemory().UseInMemory();
        using var back = services.BuildServiceProvider();
        Assert.That(back.GetServices<ITransactionStore>().Single(), Is.Not.InstanceOf<StoreWithoutOutbox>());
        Assert.That(back.GetServices<IFederationOutbox>().Single(), Is.SameAs(back.GetRequiredService<ITransactionStore>()));
    }

    [Test]
    public void R20_a_later_auth_or_directory_replaces_an_earlier_one()
    {
        var services = new ServiceCollection();
        services.AddSendToDevice()
            .UseClaimsAuth("sub", "device_id").UseAuth((_, _) => throw new NotSupportedException()).UseAuth<NobodyAuth>()
            .UseDirectory<TestDevices>().UseDirectory<NobodyDirectory>();
        using var provider = services.BuildServiceProvider();

        Assert.That(provider.GetServices<IAuthResolver>().Single(), Is.InstanceOf<NobodyAuth>());
        Assert.That(provider.GetServices<IDeviceDirectory>().Single(), Is.InstanceOf<NobodyDirectory>());
    }

    [Test]
    public async Task R20_a_directory_may_live_as_long_as_a_request()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddScoped<RequestsOwn>();
            builder.UseDirectory<ScopedDirectory>(ServiceLifetime.Scoped);
        });
        var alice = server.Login("@alice:hs1", "A1");

        (await alice.SendAsync("t1", "@alice:hs1", "A1")).ShouldBeAccepted();

        Assert.That((await alice.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [TestCase(nameof(SendToDeviceOptions.MaxBodyBytes))]
    [TestCase(nameof(SendToDeviceOptions.MaxContentBytes))]
    [TestCase(nameof(SendToDeviceOptions.MaxContentDepth))]
    [TestCase(nameof(SendToDeviceOptions.MaxUsers))]
    [TestCase(nameof(SendToDeviceOptions.MaxDevices))]
    [TestCase(nameof(SendToDeviceOptions.MaxServers))]
    [TestCase(nameof(SendToDeviceOptions.MaxEduBytes))]
    [TestCase(nameof(SendToDeviceOptions.MaxInboundEduBytes))]
    [TestCase(nameof(SendToDeviceOptions.SyncLimit))]
    [TestCase(nameof(SendToDeviceOptions.SyncMaxBytes))]
    [TestCase(nameof(SendToDeviceOptions.TransactionRetention))]
    [TestCase(nameof(SendToDeviceOptions.InboundRetention))]
    [TestCase(nameof(SendToDeviceOptions.PurgeInterval))]
    [TestCase(nameof(SendToDeviceOptions.MaxSyncTimeout))]
    [TestCase(nameof(SendToDeviceOptions.SyncPollInterval))]
    [TestCase(nameof(SendToDeviceOptions.RetryAfter))]
    public void D8_a_limit_that_cannot_work_stops_the_host_at_its_start(string option)
    {
        var property = typeof(SendToDeviceOptions).GetProperty(option)!;
        object wrong = property.PropertyType == typeof(TimeSpan) ? TimeSpan.Zero : 0;

        Assert.That(
            () => TestHomeserver.StartAsync(builder => builder.Services.Configure<SendToDeviceOptions>(options => property.SetValue(options, wrong))),
            Throws.TypeOf<OptionsValidationException>().With.Message.Contains(option));
    }

    [Test]
    public void A_store_that_would_be_another_one_for_each_part_of_a_send_is_refused() => Assert.That(
        () => new ServiceCollection().AddSendToDevice().UseStore<StoreWithoutOutbox>(ServiceLifetime.Transient),
        Throws.ArgumentException.With.Message.Contains("UseStore<StoreWithoutOutbox>(Transient)"));

    [Test]
    public void A_directory_gives_device_IDs_as_LINQ_makes_them()
    {
        Assert.That(UserDevices.Local("A,B".Split(',').Where(id => id != "B")).DeviceIds, Is.EqualTo(new[] { "A" }));
        Assert.That(UserDevices.Local(new HashSet<string> { "A" }).DeviceIds, Is.InstanceOf<IReadOnlySet<string>>(), "a set is not copied");
    }

    internal sealed class RequestsOwn;

    internal sealed class ScopedDirectory(TestDevices devices, RequestsOwn own) : IDeviceDirectory
    {
        public ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken) =>
            own is null ? throw new InvalidOperationException() : devices.FindAsync(userIds, cancellationToken);
    }

    internal class StoreWithoutOutbox : ITransactionStore, IDeviceInbox
    {
        public long KnownRemovals => throw new NotSupportedException();

        public ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public ValueTask AppendAsync(
            IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public ValueTask<InboxPage> ReadAsync(
            DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) => throw new NotSupportedException();
    }

    internal sealed class StoreOfScoped(RequestsOwn own) : StoreWithoutOutbox
    {
        public RequestsOwn Own => own;
    }

    internal sealed class AuthOfScoped(RequestsOwn own) : IAuthResolver
    {
        public ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken) => throw new NotSupportedException($"{own}");
    }

    internal sealed class Between<T>(RequestsOwn own)
    {
        public (RequestsOwn, Type) Own => (own, typeof(T));
    }

    internal sealed class AuthOf<TNeed>(TNeed need) : IAuthResolver
    {
        public ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken) => throw new NotSupportedException($"{need}");
    }

    internal sealed class TransportOfScoped(RequestsOwn own) : IFederationTransport
    {
        public ValueTask<FederationSendResult> SendAsync(FederationTransaction transaction, CancellationToken cancellationToken) =>
            throw new NotSupportedException($"{own}");
    }

    internal sealed class PolicyOfScoped(RequestsOwn own) : IMessagePolicy
    {
        public ValueTask<PolicyDecision> DecideAsync(PolicySend send, CancellationToken cancellationToken) => throw new NotSupportedException($"{own}");
    }

    internal sealed class AppservicesOfScoped(RequestsOwn own) : IAppserviceTransport
    {
        public ValueTask<AppserviceSendResult> SendAsync(AppserviceTransaction transaction, CancellationToken cancellationToken) =>
            throw new NotSupportedException($"{own}");
    }

    internal sealed class NobodyDirectory : IDeviceDirectory
    {
        public ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IReadOnlyList<UserDevices>>([.. userIds.Select(_ => UserDevices.Unknown)]);
    }

    internal sealed class NobodyAuth : IAuthResolver
    {
        public ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken) => ValueTask.FromResult(AuthResult.MissingToken);
    }
}
