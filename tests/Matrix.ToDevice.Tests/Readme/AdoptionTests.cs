using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>The adoption example of the README works.</summary>
public class AdoptionTests
{
    [Test]
    public async Task The_adoption_example_delivers_a_message_once()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<AdoptionExample.MyUsers>();
        AdoptionExample.AddServices(builder.Services);
        await using var app = builder.Build();
        AdoptionExample.MapEndpoints(app);
        await app.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        var alice = new TestClient(http, "alice's token");
        var bob = new TestClient(http, "bob's token");

        (await alice.SendAsync("t1", "@bob:hs1", "*", """{"n":1}""")).ShouldBeAccepted();
        (await alice.SendAsync("t1", "@bob:hs1", "*", """{"n":1}""")).ShouldBeAccepted();
        (await new TestClient(http, "no token").SendAsync("t1", "@bob:hs1", "*")).ShouldBe(401, "M_UNKNOWN_TOKEN");

        var sync = await bob.SyncAsync();
        Assert.That(sync.Contents, Is.EqualTo(new[] { """{"n":1}""" }));
        Assert.That((await bob.SyncAsync(sync.NextBatch)).Events, Is.Empty);

        await AdoptionExample.LogoutAsync(
            app.Services.GetRequiredService<AdoptionExample.MyUsers>(), app.Services.GetRequiredService<ToDeviceSync>(),
            new DeviceAddress("@bob:hs1", "LAPTOP"), default);
        (await bob.SendAsync("t1", "@alice:hs1", "*")).ShouldBe(401, "M_UNKNOWN_TOKEN");
    }
}
