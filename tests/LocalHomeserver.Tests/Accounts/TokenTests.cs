namespace LocalHomeserver.Tests;

internal sealed class TokenTests(string store) : HomeserverTests(store)
{
    [Test]
    public async Task R8_a_token_is_read_from_the_header_or_the_query()
    {
        var device = await Server.RegisterAsync();

        (await Server.SendAsync("GET", "/_matrix/client/v3/account/whoami", token: device.Token)).Ok();
        (await Server.SendAsync("GET", $"/_matrix/client/r0/account/whoami?access_token={device.Token}")).Ok();
    }

    [TestCase("GET", "/account/whoami")]
    [TestCase("POST", "/logout")]
    [TestCase("POST", "/logout/all")]
    [TestCase("GET", "/devices")]
    [TestCase("GET", "/devices/X")]
    [TestCase("PUT", "/devices/X")]
    [TestCase("DELETE", "/devices/X")]
    [TestCase("POST", "/delete_devices")]
    [TestCase("POST", "/user/@x:localhost/filter")]
    [TestCase("GET", "/user/@x:localhost/filter/1")]
    [TestCase("GET", "/sync")]
    [TestCase("GET", "/capabilities")]
    [TestCase("GET", "/pushrules/")]
    [TestCase("GET", "/room_keys/version")]
    [TestCase("PUT", "/sendToDevice/m.test/1")]
    public async Task R9_without_a_known_token_nothing_else_of_a_request_is_looked_at(string method, string path)
    {
        foreach (var version in new[] { "r0", "v3" })
        {
            var body = method == "GET" ? null : "not JSON";
            (await Server.SendAsync(method, $"/_matrix/client/{version}{path}", body)).IsError(401, "M_MISSING_TOKEN");
            var unknown = await Server.SendAsync(method, $"/_matrix/client/{version}{path}", body, "nonsense");
            Assert.That(unknown.IsError(401, "M_UNKNOWN_TOKEN").Has("soft_logout"), Is.False);
        }
    }

    [Test]
    public async Task R9_an_expired_token_is_a_soft_logout_and_a_refresh_mends_it()
    {
        await using var server = await Homeserver.StartAsync(Store, "--AccessTokenLifetime", "00:05:00");
        var refreshing = await server.RegisterAsync(refreshToken: true);
        var lasting = await server.LoginAsync(refreshing.UserId);

        server.Clock.PutForward(TimeSpan.FromMinutes(4));
        (await refreshing.CallAsync("GET", "/account/whoami")).Ok();
        server.Clock.PutForward(TimeSpan.FromMinutes(2));
        var expired = (await refreshing.CallAsync("GET", "/account/whoami")).IsError(401, "M_UNKNOWN_TOKEN");

        Assert.That(expired.GetProperty("soft_logout").GetBoolean(), Is.True);
        await refreshing.RefreshAsync();
        (await refreshing.CallAsync("GET", "/account/whoami")).Ok();
        (await lasting.CallAsync("GET", "/account/whoami")).Ok();
    }

    [Test]
    public async Task Refresh_tokens_come_when_asked_for_and_tell_how_long_the_access_token_lasts()
    {
        await using var server = await Homeserver.StartAsync(Store, "--AccessTokenLifetime", "00:05:00");
        var device = await server.RegisterAsync(refreshToken: true);
        var login = await server.LoginAsync(device.UserId, refreshToken: true);
        var reply = await server.SendAsync("POST", "/_matrix/client/v3/refresh", new { refresh_token = login.RefreshToken });

        Assert.That(device.RefreshToken, Is.Not.Null);
        Assert.That(reply.Ok().GetProperty("expires_in_ms").GetInt64(), Is.EqualTo(300_000));
    }

    [Test]
    public async Task R73_refreshed_tokens_are_the_same_devices()
    {
        var device = await Server.RegisterAsync("PHONE", refreshToken: true);
        var before = (device.Token, device.RefreshToken);

        await device.RefreshAsync();

        Assert.That(device.Token, Is.Not.EqualTo(before.Token));
        Assert.That(device.RefreshToken, Is.Not.EqualTo(before.RefreshToken));
        Assert.That((await device.CallAsync("GET", "/account/whoami")).Ok().String("device_id"), Is.EqualTo("PHONE"));
    }

    [Test]
    public async Task A_refresh_whose_answer_was_lost_can_be_repeated_until_a_new_token_is_used()
    {
        var device = await Server.RegisterAsync(refreshToken: true);
        var refreshToken = device.RefreshToken;

        var lost = (await Refresh(refreshToken)).Ok();
        var received = (await Refresh(refreshToken)).Ok();
        (await Server.SendAsync("GET", "/_matrix/client/v3/account/whoami", token: received.String("access_token"))).Ok();

        (await Refresh(refreshToken)).IsError(401, "M_UNKNOWN_TOKEN");
        (await Refresh(lost.String("refresh_token"))).IsError(401, "M_UNKNOWN_TOKEN");
        (await Refresh(received.String("refresh_token"))).Ok();
    }

    [Test]
    public async Task A_refresh_with_the_new_refresh_token_ends_the_old_one()
    {
        var device = await Server.RegisterAsync(refreshToken: true);
        var first = device.RefreshToken;

        var second = (await Refresh(first)).Ok().String("refresh_token");
        (await Refresh(second)).Ok();

        (await Refresh(first)).IsError(401, "M_UNKNOWN_TOKEN");
    }

    [Test]
    public async Task Requests_that_are_under_way_during_a_refresh_end_well()
    {
        var device = await Server.RegisterAsync(refreshToken: true);
        var old = device.Token;
        await device.RefreshAsync();
        (await device.CallAsync("GET", "/account/whoami")).Ok();

        (await Server.SendAsync("GET", "/_matrix/client/v3/account/whoami", token: old)).Ok();

        await device.LogoutAsync();
        (await Server.SendAsync("GET", "/_matrix/client/v3/account/whoami", token: old)).IsError(401, "M_UNKNOWN_TOKEN");
    }

    [Test]
    public async Task A_refresh_token_ends_with_its_device()
    {
        var device = await Server.RegisterAsync(refreshToken: true);
        await device.LogoutAsync();

        (await Refresh(device.RefreshToken)).IsError(401, "M_UNKNOWN_TOKEN");
        (await Refresh("nonsense")).IsError(401, "M_UNKNOWN_TOKEN");
        (await Refresh(null)).IsError(400, "M_MISSING_PARAM");
    }

    private Task<Reply> Refresh(string? refreshToken) => Call("POST", "/refresh", new { refresh_token = refreshToken });
}
