using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

public class PrefixTests : HttpTests
{
    [Test]
    public async Task R15_R20_R22_the_endpoint_is_served_under_each_prefix([Values("v3", "r0", "unstable")] string version)
    {
        (await Alice.PutAsync("m.test", "t1", ToBob("""{"n":1}"""), version)).ShouldBeAccepted();

        var message = (await Bob.SyncAsync()).Events.Single();
        Assert.That(message, Is.EqualTo(new TestSync.Event("@alice:hs1", "m.test", """{"n":1}""", "sender,type,content")));
    }

    [Test]
    public async Task R15_other_versions_are_not_this_endpoint([Values("v1", "v4", "api/v1")] string version)
    {
        Assert.That((await Alice.PutAsync("m.test", "t1", ToBob(), version)).Status, Is.EqualTo(404));
    }

    [Test]
    public async Task D1_a_retry_under_another_prefix_is_the_same_transaction()
    {
        foreach (var version in (string[])["v3", "r0", "unstable", "v3"])
            (await Alice.PutAsync("m.test", "t1", ToBob(), version)).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [TestCase("v3", "r0")]
    [TestCase("r0", "unstable")]
    [TestCase("unstable", "v3")]
    public async Task D1_dots_are_the_same_transaction_under_every_prefix(string one, string other)
    {
        (await PutRawAsync($"/_matrix/client/{one}/sendToDevice/m.test/..")).ShouldBeAccepted();
        (await PutRawAsync($"/_matrix/client/{other}/sendToDevice/m.test/..")).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task R20_a_token_is_required_under_each_prefix([Values("v3", "r0", "unstable")] string version)
    {
        using var response = await Server.Http.PutAsync(
            new Uri($"/_matrix/client/{version}/sendToDevice/m.test/t1", UriKind.Relative), new StringContent(ToBob()));

        (await TestResponse.ReadAsync(response)).ShouldBe(401, "M_MISSING_TOKEN");
    }

    [Test]
    public async Task R20_a_host_may_map_it_into_a_group()
    {
        await using var server = await TestHomeserver.StartAsync(pipeline: app => app.MapGroup("/tenants/one").MapSendToDevice());
        var alice = server.Login("@alice:hs1", "A1");

        (await alice.SendAsync(HttpMethod.Put, $"/tenants/one{Endpoint}m.test/a%2Fb", new StringContent(ToBob()))).ShouldBeAccepted();
        (await alice.SendAsync(HttpMethod.Put, $"/tenants/one{Endpoint}m.test", new StringContent(ToBob()))).ShouldBe(404, "M_UNRECOGNIZED");
        Assert.That((await alice.PutAsync("m.test", "t1", ToBob())).Status, Is.EqualTo(404));
    }

    [Test]
    public async Task R20_a_host_may_map_it_into_several_groups()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => builder.Services.AddOpenApi(),
            app =>
            {
                foreach (var tenant in (string[])["one", "two"])
                {
                    var group = app.MapGroup($"/tenants/{tenant}");
                    group.MapSendToDevice();
                    group.MapToDeviceSync();
                }

                // The same path for several names of the server.
                app.MapGroup("").RequireHost("127.0.0.1").MapSendToDevice();
                app.MapGroup("").RequireHost("hs1").MapSendToDevice();
                app.MapOpenApi();
            });
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");

        // One server all the same: a retry in another group is the same transaction.
        foreach (var group in (string[])["/tenants/one", "/tenants/two", ""])
            (await alice.SendAsync(HttpMethod.Put, $"{group}{Endpoint}m.test/..%2F", new StringContent(ToBob()))).ShouldBeAccepted();

        foreach (var group in (string[])["/tenants/one", "/tenants/two"])
        {
            var sync = new TestSync(await bob.SendAsync(HttpMethod.Get, $"{group}/_matrix/client/v3/sync"));
            Assert.That(sync.Events, Has.Count.EqualTo(1), group);
        }

        Assert.That((await server.Http.GetAsync(new Uri("/openapi/v1.json", UriKind.Relative))).IsSuccessStatusCode, Is.True);
    }
}
