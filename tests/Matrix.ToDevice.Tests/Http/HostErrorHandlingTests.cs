using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>A host with every error page that ASP.NET Core has: the module's answers stay its own (R2, R3).</summary>
public class HostErrorHandlingTests
{
    private static readonly Dictionary<string, Action<WebApplication>> s_pages = new()
    {
        ["exception handler"] = app => app.UseExceptionHandler(handler => handler.Run(Page)),
        ["exception handler with problem details"] = app => app.UseExceptionHandler(),
        ["status code pages"] = app => app.UseStatusCodePages("text/html", "<h1>{0}</h1>"),
        ["status code pages with problem details"] = app => app.UseStatusCodePages(),
        ["status code pages that run again"] = app => app.UseStatusCodePagesWithReExecute("/error/{0}"),
        ["developer's exception page"] = app => app.UseDeveloperExceptionPage(),
    };

    private static IEnumerable<string> Pages => s_pages.Keys;

    [TestCaseSource(nameof(Pages))]
    public async Task R2_R3_the_hosts_error_pages_do_not_replace_the_modules_answers(string page)
    {
        await using var server = await StartAsync(page);
        var alice = server.Login("@alice:hs1", "A1");

        (await alice.PutAsync("m.test", "t1", "{")).ShouldBe(400, "M_NOT_JSON");
        (await server.Login(AuthResult.UnknownToken()).PutAsync("m.test", "t1", "{")).ShouldBe(401, "M_UNKNOWN_TOKEN");
        (await alice.PutAsync("m.test", "t1/more", "{")).ShouldBe(404, "M_UNRECOGNIZED");
        (await alice.SendAsync(HttpMethod.Get, "/_matrix/client/v3/sendToDevice/m.test/t1")).ShouldBe(405, "M_UNRECOGNIZED");
    }

    [TestCaseSource(nameof(Pages))]
    public async Task D3_an_exception_never_reaches_the_hosts_handlers(string page)
    {
        await using var server = await StartAsync(page);
        var alice = server.Login("@alice:hs1", "A1");
        server.Services.GetRequiredService<HookedStore>().BeforeCommit = () => throw new InvalidOperationException("secret");

        var response = await alice.SendAsync("t1", "@bob:hs1", "B1");

        response.ShouldBe(503, "M_UNKNOWN");
        Assert.That(response.Headers["Retry-After"], Is.EqualTo("2"));
        Assert.That(response.Body, Does.Not.Contain("secret"));
    }

    [TestCaseSource(nameof(Pages))]
    public async Task R5_the_hosts_own_endpoints_keep_the_hosts_pages(string page)
    {
        await using var server = await StartAsync(page);

        using var response = await server.Http.GetAsync(new Uri("/throws", UriKind.Relative));

        Assert.That(await response.Content.ReadAsStringAsync(), Does.Not.Contain("errcode"));
        Assert.That(response.Headers.Contains("Access-Control-Allow-Origin"), Is.False);
    }

    private static Task<TestHomeserver> StartAsync(string page) => TestHomeserver.StartAsync(
        builder =>
        {
            HookedStore.Add(builder);
            builder.Services.AddProblemDetails();
        },
        app =>
        {
            s_pages[page](app);
            app.UseRouting();
            app.MapSendToDevice();
            app.Map("/error/{code}", Page);
            app.MapGet("/throws", (RequestDelegate)(_ => throw new InvalidOperationException("the host's own")));
        });

    private static Task Page(HttpContext context) => context.Response.WriteAsync("<h1>The host's page</h1>");
}
