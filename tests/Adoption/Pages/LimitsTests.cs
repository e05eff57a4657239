using System.Net;
using System.Text;
using Matrix.ToDevice;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Adoption;

/// <summary>The code of docs/limits.md and docs/configuration.md does what the pages say.</summary>
internal sealed class LimitsTests
{
    [Test]
    public async Task D14_whoever_sends_to_one_user_without_end_is_told_so_and_others_reach_that_user()
    {
        await using var app = await StartAsync(LimitsExamples.LimitRates);
        for (var n = 0; n < 50; n++) Assert.That(await SendAsync(app, "alice", n, "{}"), Is.EqualTo(HttpStatusCode.OK));

        var answers = new List<HttpStatusCode>();
        while (answers.LastOrDefault() != HttpStatusCode.TooManyRequests && answers.Count < 10_000) answers.Add(await SendAsync(app, "alice", 50 + answers.Count, "{}"));

        Assert.That(answers[^1], Is.EqualTo(HttpStatusCode.TooManyRequests));
        Assert.That(await SendAsync(app, "carol", 0, "{}"), Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task D14_appservices_are_not_limited_by_a_limiter_that_knows_them()
    {
        await using var app = await StartAsync(LimitsExamples.LimitOthersThanAppservices);

        for (var n = 0; n < 150; n++) Assert.That(await SendAsync(app, "bridge", n, "{}"), Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task A_quota_is_set()
    {
        await using var app = await StartAsync(LimitsExamples.SetQuota);

        Assert.That(app.Services.GetRequiredService<IOptions<SendToDeviceOptions>>().Value.Quota.MaxMessages, Is.EqualTo(5000));
        Assert.That(await SendAsync(app, "alice", 0, "{}"), Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Rules_of_a_host_reject_and_drop()
    {
        await using var app = await StartAsync(builder => builder.Services.AddSendToDevice().UseMessagePolicy<LimitsExamples.NoLinks>());

        Assert.That(await SendAsync(app, "alice", 0, """{"body":"see https://spam.example/"}"""), Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That(await SendAsync(app, "alice", 1, "{}"), Is.EqualTo(HttpStatusCode.OK));
        await app.Services.GetRequiredService<FederationReceiver>().ReceiveAsync(
            "spam.example", """{"sender":"@x:spam.example","type":"m.test","message_id":"1","messages":{"@bob:hs1":{"D1":{}}}}"""u8.ToArray(), default);

        using var batch = await app.Services.GetRequiredService<ToDeviceSync>().NextAsync(new("@bob:hs1", "D1"), null, TimeSpan.Zero, default);
        Assert.That(batch.Events.Select(e => e.Sender), Is.EqualTo(new[] { "@alice:hs1" }));
    }

    [Test]
    public async Task Settings_are_those_of_the_section()
    {
        await using var app = await StartAsync(builder =>
        {
            LimitsExamples.Bind(builder);
            LimitsExamples.BindStores(builder.Services, builder.Configuration.GetSection("ToDevice"));
        }, "--ToDevice:Quota:MaxMessages", "1000", "--ToDevice:Sqlite:CacheBytes", "1000000", "--ToDevice:PostgreSql:Writers", "3");

        Assert.That(app.Services.GetRequiredService<IOptions<SendToDeviceOptions>>().Value.Quota.MaxMessages, Is.EqualTo(1000));
        Assert.That(app.Services.GetRequiredService<IOptions<SqliteStoreOptions>>().Value.CacheBytes, Is.EqualTo(1_000_000));
        Assert.That(app.Services.GetRequiredService<IOptions<PostgreSqlStoreOptions>>().Value.Writers, Is.EqualTo(3));
    }

    /// <summary>A server on which a token is a user, and everybody has one device.</summary>
    private static async Task<WebApplication> StartAsync(Action<WebApplicationBuilder> add, params string[] args)
    {
        var builder = WebApplication.CreateBuilder(args);
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddSendToDevice().UseInMemory()
            .UseAuth((context, _) => ValueTask.FromResult(AuthResult.Success(
                new Requester($"@{MatrixAccessToken.Read(context)}:hs1", "D1") { IsAppservice = MatrixAccessToken.Read(context) == "bridge" })))
            .UseDirectory((_, userIds, _) => ValueTask.FromResult<IReadOnlyList<UserDevices>>([.. userIds.Select(_ => UserDevices.Local(["D1"]))]));
        add(builder);
        var app = builder.Build();
        app.MapSendToDevice();
        await app.StartAsync();
        return app;
    }

    private static async Task<HttpStatusCode> SendAsync(WebApplication app, string token, int number, string content)
    {
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        using var request = new HttpRequestMessage(HttpMethod.Put, $"/_matrix/client/v3/sendToDevice/m.test/{number}");
        request.Headers.Authorization = new("Bearer", token);
        request.Content = new StringContent($"{{\"messages\":{{\"@bob:hs1\":{{\"D1\":{content}}}}}}}", Encoding.UTF8);
        using var response = await http.SendAsync(request);
        return response.StatusCode;
    }
}
