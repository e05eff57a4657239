using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Moq;

namespace Matrix.ToDevice.Tests;

/// <summary>Requests share what the host has made one of, and nothing else (docs/decisions/024-one-handler-for-all-requests.md).</summary>
public class RequestServicesTests
{
    private static readonly Dictionary<string, Action<ISendToDeviceBuilder>> s_ofRequests = new()
    {
        ["auth"] = builder => builder.UseAuth<Auth>(ServiceLifetime.Scoped),
        // The function's services are those of the request.
        ["directory"] = builder => builder.UseDirectory((services, userIds, _) => FindAsync(services.GetRequiredService<RequestsOwn>(), userIds)),
        ["sync"] = builder => builder.Services.AddScoped<ToDeviceSync, Sync>(),
    };

    private static IEnumerable<string> OfRequests => s_ofRequests.Keys;

    [TestCaseSource(nameof(OfRequests))]
    public async Task What_each_request_has_for_itself_is_made_for_each(string part)
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddScoped<RequestsOwn>().AddSingleton<Made>();
            s_ofRequests[part](builder);
        });
        var alice = server.Login("@alice:hs1", "A1");

        for (var n = 0; n < 3; n++)
        {
            if (part == "sync") await alice.SyncAsync();
            else (await alice.SendAsync($"t{n}", "@bob:hs1", "B1")).ShouldBeAccepted();
        }

        Assert.That(server.Services.GetRequiredService<Made>().Count, Is.EqualTo(3));
    }

    /// <summary>A host that is put together of parts: the module was added to one of them, and the whole has registrations of its own.</summary>
    [Test]
    public async Task What_each_request_has_for_itself_is_made_for_each_also_when_it_was_registered_in_a_copy()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            var part = new ServiceCollection();
            part.AddSendToDevice();
            builder.Services.Replace(part.Single(service => service.ServiceType.Name == "Registration"));
            builder.Services.AddScoped<RequestsOwn>().AddSingleton<Made>();
            s_ofRequests["auth"](builder);
        });
        var alice = server.Login("@alice:hs1", "A1");
        (await alice.SendAsync("t0", "@bob:hs1", "B1")).ShouldBeAccepted();
        var made = server.Services.GetRequiredService<Made>();
        var before = made.Count;

        for (var n = 1; n <= 3; n++) (await alice.SendAsync($"t{n}", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That(made.Count - before, Is.EqualTo(3));
    }

    /// <summary>As a server of several tenants does, each of which has services of its own.</summary>
    [Test]
    public async Task Services_that_somebody_in_front_has_put_in_the_place_of_the_requests_are_asked()
    {
        var services = new ServiceCollection();
        services.AddSendToDevice().UseTestStore().UseDirectory<TestDevices>().UseAuth((_, _) => new(AuthResult.Forbidden("Another tenant's")));
        services.AddSingleton(new Mock<IHostApplicationLifetime>().Object);
        await using var tenant = services.BuildServiceProvider();
        await using var server = await TestHomeserver.StartAsync(pipeline: app =>
        {
            app.Use((context, next) =>
            {
                if (context.Request.Headers.ContainsKey("Tenant")) context.RequestServices = tenant;
                return next(context);
            });
            app.MapSendToDevice();
            app.MapToDeviceSync();
        });
        var alice = server.Login("@alice:hs1", "A1");
        (await alice.SendAsync("t1", "@alice:hs1", "A1")).ShouldBeAccepted();

        server.Http.DefaultRequestHeaders.Add("Tenant", "2");

        (await alice.SendAsync("t2", "@alice:hs1", "A1")).ShouldBe(403, "M_FORBIDDEN");
        (await alice.SendAsync(HttpMethod.Get, "/_matrix/client/v3/sync")).ShouldBe(403, "M_FORBIDDEN");
    }

    private static ValueTask<IReadOnlyList<UserDevices>> FindAsync(RequestsOwn own, IReadOnlyList<string> userIds)
    {
        _ = own;
        return new([.. userIds.Select(_ => UserDevices.Unknown)]);
    }

    internal sealed class Made
    {
        public int Count { get; set; }
    }

    internal sealed class RequestsOwn
    {
        public RequestsOwn(Made made) => made.Count++;
    }

    internal sealed class Auth(RequestsOwn own, TestDevices devices) : IAuthResolver
    {
        public ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken)
        {
            _ = own;
            return devices.ResolveAsync(context, cancellationToken);
        }
    }

    internal sealed class Sync : ToDeviceSync
    {
        public Sync(RequestsOwn own) => _ = own;

        public override ValueTask<ToDeviceBatch> NextAsync(
            DeviceAddress device, string? since, TimeSpan timeout, CancellationToken cancellationToken) => new(new ToDeviceBatch(InboxPage.Empty, "t"));
    }
}
