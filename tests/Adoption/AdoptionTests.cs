using System.Net;
using System.Net.Http.Headers;
using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace Adoption;

/// <summary>Homeservers in the shapes that servers have, on real Kestrel and real SQLite files; and what adoption cost each.</summary>
[TestFixture("StaticHost", 16)]
[TestFixture("ObjectHost", 20)]
[TestFixture("JwtHost", 13)]
[TestFixture("EfHost", 18)]
internal sealed partial class AdoptionTests(string host, int lines)
{
    private const string Name = "hs1";
    private static readonly string s_repository = typeof(AdoptionTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First().Value!;

    private string _folder = null!;
    private WebApplication _app = null!;
    private HttpClient _http = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _folder = Directory.CreateTempSubdirectory("to-device-adoption-").FullName;
        await StartHostAsync();
    }

    [TearDown]
    public async Task StopAsync()
    {
        await StopHostAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public void Adoption_takes_as_many_lines_as_the_page_says()
    {
        var source = File.ReadAllText(Path.Combine(s_repository, "tests", "Adoption", "Hosts", $"{host}.cs"));
        var adopted = Adopted().Matches(source).SelectMany(match => match.Groups[1].Value.Split('\n')).Count(line => line.Trim().Length > 0);

        Assert.That(adopted, Is.EqualTo(lines).And.LessThan(30));
        Assert.That(
            File.ReadAllText(Path.Combine(s_repository, "docs", "getting-started.md")), Does.Contain($"[{host}](../tests/Adoption/Hosts/{host}.cs) | {lines} |"));
    }

    [Test]
    public async Task A_message_arrives_once_and_a_restart_loses_nothing()
    {
        var (alice, bob) = (await LoginAsync("alice", "A1"), await LoginAsync("bob", "B1"));
        var content = "{\"é\":1e2,\"deep\":" + new string('[', 100) + new string(']', 100) + "}";
        for (var n = 0; n < 2; n++) Assert.That(await SendAsync(alice, "t1", content), Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await SendAsync("no token", "t1", content), Is.EqualTo(HttpStatusCode.Unauthorized));

        var first = await SyncAsync(bob);
        Assert.That(first.Contents, Is.EqualTo(new[] { content }));
        Assert.That((await SyncAsync(bob)).Contents, Is.EqualTo(new[] { content }), "until it is acknowledged");
        var waiting = SyncAsync(bob, first.NextBatch, 60_000);
        Assert.That(await SendAsync(alice, "t2", "{}"), Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await waiting).Contents, Is.EqualTo(new[] { "{}" }));

        await StopHostAsync();
        await StartHostAsync();
        bob = await LoginAsync("bob", "B1");
        Assert.That((await SyncAsync(bob)).Contents, Is.EqualTo(new[] { "{}" }), "what bob has not said he has");
    }

    [Test]
    public async Task A_device_that_was_logged_out_leaves_nothing_to_the_next_one()
    {
        var (alice, bob) = (await LoginAsync("alice", "A1"), await LoginAsync("bob", "B1"));
        Assert.That(await SendAsync(alice, "t1", "{}"), Is.EqualTo(HttpStatusCode.OK));
        using (await PostAsync("/_matrix/client/v3/logout", bob))
        {
        }

        bob = await LoginAsync("bob", "B1");

        Assert.That((await SyncAsync(bob)).Contents, Is.Empty);
    }

    [Test]
    public async Task A_since_of_another_device_is_400()
    {
        var (alice, bob) = (await LoginAsync("alice", "A1"), await LoginAsync("bob", "B1"));
        var others = (await SyncAsync(alice)).NextBatch;

        using var response = await GetAsync($"/_matrix/client/v3/sync?since={others}&timeout=0", bob);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(await response.Content.ReadAsStringAsync(), Does.Contain("M_INVALID_PARAM"));
    }

    private async Task StartHostAsync()
    {
        var builder = WebApplication.CreateBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var database = Path.Combine(_folder, "todevice.db");
        _app = host switch
        {
            nameof(StaticHost) => StaticHost.Build(builder, database),
            nameof(ObjectHost) => ObjectHost.Build(builder, database),
            nameof(EfHost) => EfHost.Build(builder, database),
            _ => JwtHost.Build(builder, database),
        };
        await _app.StartAsync();
        _http = new HttpClient { BaseAddress = new Uri(_app.Urls.Single()) };
    }

    private async Task StopHostAsync()
    {
        _http.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private async Task<string> LoginAsync(string user, string device)
    {
        using var response = await PostAsync($"/_matrix/client/v3/login?user=@{user}:{Name}&device={device}", null);
        using var json = JsonDocument.Parse(await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync());
        return json.RootElement.GetProperty("access_token").GetString()!;
    }

    private async Task<HttpStatusCode> SendAsync(string token, string txnId, string content)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, $"/_matrix/client/v3/sendToDevice/m.test/{txnId}")
        {
            Content = new StringContent($$"""{"messages":{"@bob:{{Name}}":{"*":{{content}} } } }""", Encoding.UTF8, "application/json"),
        };
        using var response = await SendAsync(request, token);
        return response.StatusCode;
    }

    private async Task<(string[] Contents, string NextBatch)> SyncAsync(string token, string? since = null, int timeout = 0)
    {
        using var response = await GetAsync($"/_matrix/client/v3/sync?timeout={timeout}{(since is null ? "" : $"&since={since}")}", token);
        using var json = JsonDocument.Parse(
            await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync(), new JsonDocumentOptions { MaxDepth = 1000 });
        var events = json.RootElement.GetProperty("to_device").GetProperty("events").EnumerateArray();
        return ([.. events.Select(one => one.GetProperty("content").GetRawText())], json.RootElement.GetProperty("next_batch").GetString()!);
    }

    private Task<HttpResponseMessage> GetAsync(string path, string token) => SendAsync(new HttpRequestMessage(HttpMethod.Get, path), token);

    private Task<HttpResponseMessage> PostAsync(string path, string? token) => SendAsync(new HttpRequestMessage(HttpMethod.Post, path), token);

    private Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, string? token)
    {
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return _http.SendAsync(request);
    }

    [GeneratedRegex("// <adopted>\n(.*?)\n *// </adopted>", RegexOptions.Singleline)]
    private static partial Regex Adopted();
}
