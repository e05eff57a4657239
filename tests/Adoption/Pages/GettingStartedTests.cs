using System.Net;
using Matrix.ToDevice;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Adoption;

/// <summary>The code of docs/getting-started.md does what the page says.</summary>
internal sealed class GettingStartedTests
{
    [Test]
    public async Task R13_D14_a_token_with_too_many_sends_is_told_so_and_others_are_not()
    {
        await using var app = Build(GettingStartedExamples.AddLimit, GettingStartedExamples.MapLimited);
        await app.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };

        var answers = new List<HttpStatusCode>();
        while (answers.LastOrDefault() != HttpStatusCode.TooManyRequests && answers.Count < 10_000) answers.Add(await SendAsync(http, "alice", answers.Count));

        Assert.That(answers.Take(100), Is.All.EqualTo(HttpStatusCode.OK));
        Assert.That(answers[^1], Is.EqualTo(HttpStatusCode.TooManyRequests));
        Assert.That(await SendAsync(http, "bob", 0), Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task R70_devices_that_end_leave_nothing()
    {
        await using var app = Build(_ => { }, app => app.MapSendToDevice());
        await app.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        Assert.That(await SendAsync(http, "alice", 0), Is.EqualTo(HttpStatusCode.OK));
        var toDevice = app.Services.GetRequiredService<ToDeviceSync>();

        await GettingStartedExamples.EndAsync(toDevice, new("@all:hs1", "D1"), "@all:hs1", ["D2", "D3"], default);

        foreach (var device in new[] { "D1", "D2", "D3", "D4" })
        {
            using var batch = await toDevice.NextAsync(new("@all:hs1", device), null, TimeSpan.Zero, default);
            Assert.That(batch.IsEmpty, Is.EqualTo(device != "D4"), device);
        }
    }

    /// <summary>A server on which a token is a user, and one user has four devices.</summary>
    private static WebApplication Build(Action<WebApplicationBuilder> add, Action<WebApplication> map)
    {
        var builder = WebApplication.CreateBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddSendToDevice().UseInMemory()
            .UseAuth((context, _) => ValueTask.FromResult(AuthResult.Success($"@{MatrixAccessToken.Read(context)}:hs1", "D1")))
            .UseDirectory((_, userIds, _) => ValueTask.FromResult<IReadOnlyList<UserDevices>>([.. userIds.Select(_ => UserDevices.Local(["D1", "D2", "D3", "D4"]))]));
        add(builder);
        var app = builder.Build();
        map(app);
        return app;
    }

    private static async Task<HttpStatusCode> SendAsync(HttpClient http, string token, int number)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, $"/_matrix/client/v3/sendToDevice/m.test/{number}");
        request.Headers.Authorization = new("Bearer", token);
        request.Content = new StringContent("""{"messages":{"@all:hs1":{"*":{}}}}""");
        using var response = await http.SendAsync(request);
        return response.StatusCode;
    }
}
