using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>A homeserver over HTTP whose messages are in its own context's database.</summary>
[TestFixture(typeof(SqliteDatabases))]
[TestFixture(typeof(PostgreSqlDatabases))]
[TestFixture(typeof(MariaDbDatabases))]
public class EndToEndTests<TDatabases>
    where TDatabases : ITestDatabase, new()
{
    private readonly TDatabases _databases = new();
    private readonly TestDevices _devices = new();
    private string _name = null!;

    [SetUp]
    public void Create() => TestStore.Create(_databases, _name = TestStore.NewName());

    [TearDown]
    public ValueTask Delete() => _databases.DeleteAsync(_name);

    [Test]
    public async Task Messages_outlive_a_restart_and_are_delivered_once()
    {
        var (alice, bob) = (_devices.Add("@alice:hs1", "A1"), _devices.Add("@bob:hs1", "B1"));
        await using (var server = await StartAsync())
        {
            Assert.That(await SendAsync(server, alice, "t1"), Is.EqualTo(HttpStatusCode.OK));
            Assert.That(await SendAsync(server, alice, "t2"), Is.EqualTo(HttpStatusCode.OK));
        }

        await using var restarted = await StartAsync();
        Assert.That(await SendAsync(restarted, alice, "t1"), Is.EqualTo(HttpStatusCode.OK), "R41");
        var (events, next) = await SyncAsync(restarted, bob, null);
        Assert.That(events, Is.EqualTo(new[] { "t1", "t2" }));
        Assert.That((await SyncAsync(restarted, bob, null)).Events, Is.EqualTo(events), "R56");
        Assert.That((await SyncAsync(restarted, bob, next)).Events, Is.Empty);

        // A long poll that waits is woken by what this host accepts.
        var waiting = SyncAsync(restarted, bob, next, timeout: 60_000);
        Assert.That(await SendAsync(restarted, alice, "t3"), Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await waiting).Events, Is.EqualTo(new[] { "t3" }));

        _devices.Remove("@bob:hs1", "B1");
        await restarted.Services.GetRequiredService<ToDeviceSync>().RemoveDeviceAsync(new("@bob:hs1", "B1"), default);
        Assert.That((await SyncAsync(restarted, _devices.Add("@bob:hs1", "B1"), next)).Events, Is.Empty, "R70");
    }

    private async Task<WebApplication> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddDbContext<HomeserverDb>(options => _databases.Use(options, _name));
        builder.Services.AddSendToDevice().UseEntityFrameworkCore<HomeserverDb>();
        builder.Services.AddSingleton<IAuthResolver>(_devices).AddSingleton<IDeviceDirectory>(_devices);
        var app = builder.Build();
        app.MapSendToDevice();
        app.MapToDeviceSync();
        await app.StartAsync();
        return app;
    }

    private static async Task<HttpStatusCode> SendAsync(WebApplication server, string token, string txnId)
    {
        using var http = Client(server, token);
        using var content = new StringContent("""{"messages":{"@bob:hs1":{"*":{"id":"ID"}}}}""".Replace("ID", txnId, StringComparison.Ordinal));
        using var response = await http.PutAsync(new Uri($"/_matrix/client/v3/sendToDevice/m.test/{txnId}", UriKind.Relative), content);
        return response.StatusCode;
    }

    private static async Task<(List<string> Events, string Next)> SyncAsync(WebApplication server, string token, string? since, int timeout = 0)
    {
        using var http = Client(server, token);
        using var response = await http.GetAsync(new Uri($"/_matrix/client/v3/sync?timeout={timeout}&since={since}", UriKind.Relative));
        using var json = System.Text.Json.JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        var events = json.RootElement.TryGetProperty("to_device", out var toDevice)
            ? toDevice.GetProperty("events").EnumerateArray().Select(one => one.GetProperty("content").GetProperty("id").GetString()!).ToList()
            : [];
        return (events, json.RootElement.GetProperty("next_batch").GetString()!);
    }

    private static HttpClient Client(WebApplication server, string token) => new()
    {
        BaseAddress = new Uri(server.Urls.Single()),
        DefaultRequestHeaders = { { "Authorization", $"Bearer {token}" } },
        Timeout = TimeLimit.OfOneWait,
    };
}
