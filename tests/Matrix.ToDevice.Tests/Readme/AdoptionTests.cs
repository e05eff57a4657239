using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>The adoption example of the README works, and the README shows it as it is.</summary>
public partial class AdoptionTests
{
    private static readonly string[] s_sources = ["Readme/AdoptionExample.cs", "Readme/SyncExamples.cs", "Sync/Objects/ObjectHosts.cs"];

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

    [TestCase("README.md", "readme-services")]
    [TestCase("README.md", "readme-map")]
    [TestCase("README.md", "readme-seams")]
    [TestCase("README.md", "readme-sync")]
    [TestCase("README.md", "readme-logout")]
    [TestCase("docs/getting-started.md", "readme-services")]
    [TestCase("docs/getting-started.md", "readme-seams")]
    [TestCase("docs/sync.md", "sync-object")]
    [TestCase("docs/sync.md", "sync-wait")]
    [TestCase("docs/sync.md", "sync-token")]
    [TestCase("docs/sync.md", "newtonsoft")]
    public void A_page_shows_the_tested_source(string page, string part)
    {
        var source = string.Concat(s_sources.Select(file => File.ReadAllText(Path.Combine(Repository.Folder, "tests/Matrix.ToDevice.Tests", file))));
        var match = Regex.Match(source, $"// <{part}>\n(.*?)\n *// </{part}>", RegexOptions.Singleline);
        Assert.That(match.Success, part);

        Assert.That(Lines(File.ReadAllText(Path.Combine(Repository.Folder, page))), Does.Contain(Lines(match.Groups[1].Value)));
    }

    /// <summary>The lines without what they are indented by.</summary>
    private static string Lines(string text) => Indent().Replace(text.Trim(), "");

    [GeneratedRegex("(?m)^ +")]
    private static partial Regex Indent();
}
