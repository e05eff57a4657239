using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>The endpoint around the pages: who may ask, paths, methods, bodies and failures.</summary>
public class DehydratedEndpointTests : DehydratedDeviceTests
{
    [Test]
    public async Task R112_any_other_device_is_403()
    {
        Server.Login("@bob:hs1", "B2");
        Begin("@carol:hs1", "CAROLS");

        foreach (var deviceId in (string[])["B1", "B2", "CAROLS", "unknown", "dehydrated", "DEHYDRATED%20", "DEHYDRATEDD"])
        {
            (await Bob.SendAsync(HttpMethod.Get, PathOf(deviceId))).ShouldBe(403, "M_FORBIDDEN");
            (await PostBodyAsync("{}", deviceId)).ShouldBe(403, "M_FORBIDDEN");
        }

        (await Alice.SendAsync(HttpMethod.Get, PathOf(Dehydrated))).ShouldBe(403, "M_FORBIDDEN");
    }

    [Test]
    public async Task R113_the_one_that_was_replaced_is_403_and_the_new_one_begins_without_messages()
    {
        await SendAsync(1);
        var token = (await PostAsync()).NextBatch;

        List.Set("@bob:hs1", "NEW");
        Server.Devices.Add("@bob:hs1", "NEW");
        await Server.LogoutAsync("@bob:hs1", Dehydrated);

        (await Bob.SendAsync(HttpMethod.Get, $"{PathOf(Dehydrated)}?from={token}")).ShouldBe(403, "M_FORBIDDEN");
        (await Bob.SendAsync(HttpMethod.Get, $"{PathOf("NEW")}?from={token}")).ShouldBe(400, "M_INVALID_PARAM");
        Assert.That((await GetAsync(deviceId: "NEW")).Contents, Is.Empty);
    }

    [Test]
    public async Task R9_D17_who_asks_is_looked_at_first()
    {
        using var nobody = await Server.Http.GetAsync(new Uri(PathOf("%zz"), UriKind.Relative));
        (await TestResponse.ReadAsync(nobody)).ShouldBe(401, "M_MISSING_TOKEN");
        (await Server.Login(AuthResult.UnknownToken()).SendAsync(HttpMethod.Post, PathOf(Dehydrated), new StringContent("{")))
            .ShouldBe(401, "M_UNKNOWN_TOKEN");
        (await Server.Login(AuthResult.UserLocked).SendAsync(HttpMethod.Get, PathOf(Dehydrated))).ShouldBe(401, "M_USER_LOCKED");
        (await Server.Login(AuthResult.Forbidden("no")).SendAsync(HttpMethod.Get, PathOf(Dehydrated))).ShouldBe(403, "M_FORBIDDEN");
    }

    /// <summary>It is the user's device: which of the user's devices asks is the same.</summary>
    [Test]
    public async Task R110_an_appservice_may_ask_for_a_user_without_a_device_of_its_own()
    {
        var contents = await SendAsync(1);
        var bridge = Server.Login(AuthResult.Success(Requester.WithoutDevice("@bob:hs1")));

        Assert.That(Page.Read(await bridge.SendAsync(HttpMethod.Get, PathOf(Dehydrated))).Contents, Is.EqualTo(contents));
    }

    [TestCase("a%2Fb", "a/b")]
    [TestCase("a%252Fb", "a%2Fb")]
    [TestCase("a+b", "a+b")]
    [TestCase("a%2Bb", "a+b")]
    [TestCase("%F0%9F%94%91", "🔑")]
    [TestCase("events", "events")]
    [TestCase("a/events/b", null)]
    public async Task D2_the_device_ID_is_one_decoded_segment(string segment, string? deviceId)
    {
        if (deviceId is not null) Begin("@bob:hs1", deviceId);

        var response = await GetRawAsync(PathOf(segment));

        if (deviceId is null) response.ShouldBe(404, "M_UNRECOGNIZED");
        else Assert.That(response.Status, Is.EqualTo(200), response.Body);
    }

    [TestCase("%FF")]
    [TestCase("%zz")]
    [TestCase("%ED%A0%80", Description = "surrogate")]
    public async Task D2_what_is_not_percent_encoded_UTF8_is_refused(string segment) =>
        (await GetRawAsync(PathOf(segment))).ShouldBe(400, "M_INVALID_PARAM");

    [TestCase(Prefix + Dehydrated)]
    [TestCase(Prefix + Dehydrated + "/")]
    [TestCase(Prefix + Dehydrated + "/events/")]
    [TestCase(Prefix + Dehydrated + "/events/more")]
    [TestCase(Prefix + Dehydrated + "/Events")]
    [TestCase("/_matrix/client/unstable/org.matrix.msc3814.v1/Dehydrated_device/" + Dehydrated + "/events")]
    public async Task R5_D1_what_is_not_quite_the_path_is_an_unknown_endpoint(string path) =>
        (await GetRawAsync(path)).ShouldBe(404, "M_UNRECOGNIZED");

    [TestCase("PUT")]
    [TestCase("DELETE")]
    [TestCase("WHATEVER")]
    public async Task R5_a_wrong_method_is_405(string method)
    {
        var response = await Bob.SendAsync(new HttpMethod(method), PathOf(Dehydrated));

        response.ShouldBe(405, "M_UNRECOGNIZED");
        Assert.That(response.Headers["Allow"], Is.EqualTo("GET, POST, OPTIONS"));
        (await Bob.SendAsync(new HttpMethod(method), PathOf(Dehydrated) + "/more")).ShouldBe(404, "M_UNRECOGNIZED");
    }

    [Test]
    public async Task R6_R7_OPTIONS_needs_no_token_and_every_answer_has_the_CORS_headers()
    {
        using var options = new HttpRequestMessage(HttpMethod.Options, PathOf(Dehydrated));
        using var answer = await Server.Http.SendAsync(options);
        var responses = new[]
        {
            await TestResponse.ReadAsync(answer),
            await Bob.SendAsync(HttpMethod.Get, PathOf(Dehydrated)),
            await Bob.SendAsync(HttpMethod.Get, PathOf("other")),
            await Bob.SendAsync(HttpMethod.Put, PathOf(Dehydrated)),
        };

        Assert.That(responses.Select(response => response.Status), Is.EqualTo(new[] { 200, 200, 403, 405 }));
        Assert.That(responses[0].Body, Is.EqualTo("{}"));
        Assert.That(responses.Select(response => response.Headers["Access-Control-Allow-Origin"]), Has.All.EqualTo("*"));
    }

    [TestCase("", "M_NOT_JSON")]
    [TestCase("{", "M_NOT_JSON")]
    [TestCase("{\"next_batch\":\"x\"}}", "M_NOT_JSON")]
    [TestCase("{\"next_batch\":1,", "M_NOT_JSON")]
    [TestCase("\u00ef\u00bb\u00bf{}", "M_NOT_JSON", Description = "a byte order mark")]
    [TestCase("{\"a\":\"\u00ff\"}", "M_NOT_JSON", Description = "not UTF-8")]
    [TestCase("[]", "M_BAD_JSON")]
    [TestCase("\"t\"", "M_BAD_JSON")]
    [TestCase("null", "M_BAD_JSON")]
    [TestCase("{\"next_batch\":1}", "M_BAD_JSON")]
    [TestCase("{\"next_batch\":{}}", "M_BAD_JSON")]
    [TestCase("{\"next_batch\":\"\\ud800\"}", "M_BAD_JSON")]
    [TestCase("{\"next_batch\":null,\"next_batch\":null}", "M_BAD_JSON")]
    [TestCase("{\"next\\u005fbatch\":1}", "M_BAD_JSON")]
    public async Task R4_D7_a_bad_body_is_400(string body, string errorCode) => (await PostBodyAsync(body)).ShouldBe(400, errorCode);

    [TestCase("{}")]
    [TestCase(" { \"next_batch\" : null } ")]
    [TestCase("{\"\\ud800\":\"\\udc00\",\"limit\":[[[[{}]]]]}")]
    public async Task D7_what_else_is_in_a_body_does_no_harm(string body) =>
        Assert.That((await PostBodyAsync(body)).Status, Is.EqualTo(200));

    [Test]
    public async Task D8_a_deep_body_does_no_harm_and_a_large_one_is_413()
    {
        var deep = new string('[', 5000) + new string(']', 5000);
        Assert.That((await PostBodyAsync($$"""{"a":{{deep}}}""")).Status, Is.EqualTo(200));
        (await PostBodyAsync($$"""{"a":"{{new string('x', 65_536)}}"}""")).ShouldBe(413, "M_TOO_LARGE");
    }

    [Test]
    public async Task D3_what_fails_is_503_and_nothing_is_lost([Values("store", "list")] string what)
    {
        var contents = await SendAsync(1);
        var failure = new TimeoutException("the database does not answer");
        var inbox = Server.Services.GetRequiredService<HookedInbox>();
        if (what == "store") inbox.BeforeRead = _ => throw failure;
        else List.Failure = failure;

        var response = await Bob.SendAsync(HttpMethod.Get, PathOf(Dehydrated));
        response.ShouldBe(503, "M_UNKNOWN");
        Assert.That(response.Headers["Retry-After"], Is.EqualTo("2"));

        inbox.BeforeRead = _ => Task.CompletedTask;
        List.Failure = null;
        Assert.That(await ReadAllAsync(), Is.EqualTo(contents));
    }

    [Test]
    public async Task R110_messages_that_are_read_are_counted()
    {
        using var metrics = CapturedMetrics.Of(Server);
        await SendAsync(2);

        await GetAsync();

        Assert.That(metrics["matrix.to_device.handed_out"].Sum(measurement => measurement.Value), Is.EqualTo(2));
    }

    private async Task<TestResponse> GetRawAsync(string path)
    {
        using var connection = await RawConnection.OpenAsync(Server.Address);
        await connection.WriteAsync($"GET {path} HTTP/1.1\r\nHost: hs1\r\nAuthorization: Bearer {Bob.Token}\r\nConnection: close\r\n\r\n");
        return (await connection.ReadResponseAsync())!;
    }
}

/// <summary>How a host registers and maps it.</summary>
public class DehydratedRegistrationTests
{
    [Test]
    public void R110_a_forgotten_list_is_named_with_the_call_to_add() => Assert.That(
        () => TestHomeserver.StartAsync(pipeline: app => app.MapDehydratedDeviceEvents()),
        Throws.InvalidOperationException.With.Message.Contains(".UseDehydratedDevices<YourDehydratedDevices>()")
            .And.Message.Contains("MapDehydratedDeviceEvents()"));

    [Test]
    public async Task R110_a_list_may_live_as_long_as_a_request_and_a_later_one_replaces_an_earlier_one()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder =>
            {
                builder.Services.AddScoped<Own>();
                builder.UseDehydratedDevices<TestDehydratedDevices>().UseDehydratedDevices<ScopedList>(ServiceLifetime.Scoped);
            },
            app => app.MapDehydratedDeviceEvents());
        var bob = server.Login("@bob:hs1", "B1");

        var response = await bob.SendAsync(
            HttpMethod.Get, "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/OF_THE_REQUEST/events");

        Assert.That(response.Body, Is.EqualTo("""{"events":[]}"""));
    }

    [Test]
    public void R110_one_instance_that_needs_what_each_request_has_for_itself_is_refused_at_start() => Assert.That(
        () => TestHomeserver.StartAsync(
            builder => builder.UseDehydratedDevices<ScopedList>().Services.AddScoped<Own>(), app => app.MapDehydratedDeviceEvents()),
        Throws.InvalidOperationException.With.Message.Contains("UseDehydratedDevices<ScopedList>(lifetime: ServiceLifetime.Scoped)"));

    /// <summary>The paths of the device itself are the host's, and so are its 404 and 405.</summary>
    [Test]
    public async Task R110_it_takes_no_path_from_the_host_and_is_in_the_hosts_OpenAPI_document()
    {
        var path = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device";
        await using var server = await TestHomeserver.StartAsync(
            builder =>
            {
                builder.UseDehydratedDevices<TestDehydratedDevices>();
                builder.Services.AddOpenApi();
            },
            app =>
            {
                app.MapOpenApi();
                app.MapDehydratedDeviceEvents();
                app.MapGet(path, () => "mine");
                app.MapFallback(() => Results.StatusCode(418));
            });

        Assert.That(await server.Http.GetStringAsync(new Uri(path, UriKind.Relative)), Is.EqualTo("mine"));
        using var put = await server.Http.PutAsync(new Uri(path, UriKind.Relative), null);
        Assert.That((int)put.StatusCode, Is.Not.EqualTo(404));
        var document = JsonNode.Parse(await server.Http.GetStringAsync(new Uri("/openapi/v1.json", UriKind.Relative)))!;
        var operations = document["paths"]![path + "/{device_id}/events"]!.AsObject();
        Assert.That(operations.Select(operation => operation.Key), Is.EqualTo(new[] { "get", "post" }));
        Assert.That(operations.Select(operation => (string?)operation.Value!["operationId"]), Is.Unique.And.None.Null);
    }

    internal sealed class Own;

    internal sealed class ScopedList(Own own) : IDehydratedDevices
    {
        public ValueTask<string?> FindAsync(string userId, CancellationToken cancellationToken) =>
            ValueTask.FromResult<string?>(own is null ? null : "OF_THE_REQUEST");
    }
}
