using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.BearerToken;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>The endpoint beside the others of a host.</summary>
public class HostRoutingTests
{
    private const string Path = "/_matrix/client/v3/sendToDevice/m.test/t1";

    [Test]
    public async Task R5_the_endpoint_is_served_beside_controllers_and_a_fallback()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => builder.Services.AddControllers().AddApplicationPart(typeof(HostController).Assembly),
            app =>
            {
                app.MapControllers();
                app.MapSendToDevice();
                app.MapFallback(context => context.Response.WriteAsync("the fallback"));
            });
        var alice = server.Login("@alice:hs1", "A1");

        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        (await alice.SendAsync(HttpMethod.Post, Path)).ShouldBe(405, "M_UNRECOGNIZED");
        (await alice.SendAsync(HttpMethod.Options, Path)).ShouldBeAccepted();
        (await alice.SendAsync(HttpMethod.Put, Path + "/")).ShouldBe(404, "M_UNRECOGNIZED");
        (await alice.SendAsync(HttpMethod.Put, Path.ToUpperInvariant())).ShouldBe(404, "M_UNRECOGNIZED");
        Assert.That((await alice.SendAsync(HttpMethod.Get, "/_matrix/client/v3/host/x")).Body, Is.EqualTo("the controller: x"));
        Assert.That((await alice.SendAsync(HttpMethod.Get, "/_matrix/client/v3/elsewhere")).Body, Is.EqualTo("the fallback"));
        Assert.That((await alice.SendAsync(HttpMethod.Put, "/_matrix/client/v3/sendToDeviceX/a/b")).Body, Is.EqualTo("the fallback"));
    }

    [Test]
    public async Task R20_a_required_host_name_is_required_of_the_whole_endpoint()
    {
        await using var server = await TestHomeserver.StartAsync(pipeline: app => app.MapSendToDevice().RequireHost("hs1"));
        var token = server.Devices.Add("@alice:hs1", "A1");

        foreach (var (method, host, status) in new[]
        {
            ("PUT", "hs1", 200), ("OPTIONS", "hs1", 200), ("GET", "hs1", 405),
            ("PUT", "elsewhere", 404), ("OPTIONS", "elsewhere", 404), ("GET", "elsewhere", 404),
        })
        {
            using var connection = await RawConnection.OpenAsync(server.Address);
            var put = RawConnection.Put(Path, token, """{"messages":{}}""");
            await connection.WriteAsync(put.Replace("PUT", method, StringComparison.Ordinal).Replace("Host: hs1", $"Host: {host}", StringComparison.Ordinal));
            Assert.That((await connection.ReadResponseAsync())!.Status, Is.EqualTo(status), $"{method} {host}");
        }
    }

    [Test]
    public async Task R20_metadata_goes_to_every_endpoint()
    {
        await using var server = await TestHomeserver.StartAsync(pipeline: app =>
        {
            app.MapSendToDevice().WithMetadata(new HostMetadata());
            app.MapToDeviceSync();
        });

        var endpoints = server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.RoutePattern.RawText!.Contains("sendToDevice", StringComparison.Ordinal)).ToArray();
        Assert.That(endpoints, Has.Length.EqualTo(6));
        Assert.That(endpoints.Select(endpoint => endpoint.Metadata.GetMetadata<HostMetadata>()), Has.None.Null);
    }

    [TestCase(false)]
    [TestCase(true, Description = "required of all endpoints of the host")]
    public async Task R6_required_authorization_is_not_required_of_OPTIONS(bool byFallbackPolicy)
    {
        var denied = new AuthorizationPolicyBuilder().RequireAssertion(_ => false).Build();
        await using var server = await TestHomeserver.StartAsync(
            builder =>
            {
                builder.Services.AddAuthorization(options => options.FallbackPolicy = byFallbackPolicy ? denied : null);
                builder.Services.AddAuthentication().AddBearerToken();
                builder.Services.Configure<AuthenticationOptions>(options => options.DefaultScheme = BearerTokenDefaults.AuthenticationScheme);
            },
            app =>
            {
                app.UseRouting();
                app.UseAuthorization();
                var endpoint = app.MapSendToDevice();
                if (!byFallbackPolicy) endpoint.RequireAuthorization(denied);
            });
        var alice = server.Login("@alice:hs1", "A1");

        (await alice.SendAsync(HttpMethod.Options, Path)).ShouldBeAccepted();
        (await alice.SendAsync(HttpMethod.Get, Path)).ShouldBe(405, "M_UNRECOGNIZED");
        Assert.That((await alice.SendAsync("t1", "@bob:hs1", "B1")).Status, Is.EqualTo(401), "the host's own refusal");
    }

    private sealed class HostMetadata;
}

/// <summary>A controller of the host.</summary>
[ApiController]
[Route("/_matrix/client/v3/host/{name}")]
public class HostController : ControllerBase
{
    [HttpGet]
    public string Get(string name) => $"the controller: {name}";
}
