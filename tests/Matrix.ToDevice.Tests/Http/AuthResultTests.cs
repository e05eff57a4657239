using System.Text.Json.Nodes;

namespace Matrix.ToDevice.Tests;

public class AuthResultTests : HttpTests
{
    [Test]
    public async Task R9_an_expired_token_is_a_soft_logout()
    {
        var response = await SendAsync(AuthResult.UnknownToken(softLogout: true));

        response.ShouldBe(401, "M_UNKNOWN_TOKEN");
        Assert.That((bool?)response.Json["soft_logout"], Is.True);
    }

    [Test]
    public async Task R9_a_destroyed_session_is_no_soft_logout()
    {
        var response = await SendAsync(AuthResult.UnknownToken());

        response.ShouldBe(401, "M_UNKNOWN_TOKEN");
        Assert.That(response.Json.ContainsKey("soft_logout"), Is.False);
    }

    [Test]
    public async Task R10_a_locked_account_is_a_soft_logout()
    {
        var response = await SendAsync(AuthResult.UserLocked);

        response.ShouldBe(401, "M_USER_LOCKED");
        Assert.That((bool?)response.Json["soft_logout"], Is.True);
    }

    [Test]
    public async Task R10_a_locked_account_is_a_soft_logout_at_sync_too()
    {
        var response = await SyncAsync(AuthResult.UserLocked);

        response.ShouldBe(401, "M_USER_LOCKED");
        Assert.That((bool?)response.Json["soft_logout"], Is.True);
    }

    [Test]
    public async Task R11_a_host_may_refuse_a_suspended_account()
    {
        (await SendAsync(AuthResult.UserSuspended)).ShouldBe(403, "M_USER_SUSPENDED");
        (await SyncAsync(AuthResult.UserSuspended)).ShouldBe(403, "M_USER_SUSPENDED");
    }

    [Test]
    public async Task R12_a_guest_may_send_and_sync()
    {
        Server.Devices.Add("@guest:hs1", "G1");
        var guest = Server.Login(AuthResult.Success(new Requester("@guest:hs1", "G1") { IsGuest = true }));

        (await guest.SendAsync("t1", "@guest:hs1", "G1")).ShouldBeAccepted();

        Assert.That((await guest.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task R13_a_host_may_refuse_with_a_rate_limit_of_its_own()
    {
        var response = await SendAsync(AuthResult.Refused(
            new ToDeviceError(429, "M_LIMIT_EXCEEDED", "Slow down") { RetryAfter = TimeSpan.FromMilliseconds(1500) }));

        response.ShouldBe(429, "M_LIMIT_EXCEEDED");
        Assert.That(response.Headers["Retry-After"], Is.EqualTo("2"));
        Assert.That((int?)response.Json["retry_after_ms"], Is.EqualTo(1500));
    }

    [Test]
    public async Task R14_M_RESOURCE_LIMIT_EXCEEDED_carries_admin_contact()
    {
        var response = await SendAsync(AuthResult.Refused(
            new ToDeviceError(403, "M_RESOURCE_LIMIT_EXCEEDED", "Too many users") { AdminContact = "mailto:admin@hs1" }));

        response.ShouldBe(403, "M_RESOURCE_LIMIT_EXCEEDED");
        Assert.That((string?)response.Json["admin_contact"], Is.EqualTo("mailto:admin@hs1"));
    }

    [Test]
    public async Task R14_M_USER_LIMIT_EXCEEDED_carries_info_uri()
    {
        var response = await SendAsync(AuthResult.Refused(
            new ToDeviceError(403, "M_USER_LIMIT_EXCEEDED", "Your plan ends here") { InfoUri = "https://hs1/plans" }));

        response.ShouldBe(403, "M_USER_LIMIT_EXCEEDED");
        Assert.That((string?)response.Json["info_uri"], Is.EqualTo("https://hs1/plans"));
    }

    [Test]
    public async Task R3_what_an_error_does_not_have_is_not_there()
    {
        var response = await SendAsync(AuthResult.Forbidden("\"Not\" for <you> & é"));

        response.ShouldBe(403, "M_FORBIDDEN");
        Assert.That(JsonNode.DeepEquals(response.Json, new JsonObject
        {
            ["errcode"] = "M_FORBIDDEN",
            ["error"] = "\"Not\" for <you> & é",
        }));
    }

    [Test]
    public async Task R101_an_appservice_with_an_unknown_device_is_told()
    {
        (await SendAsync(AuthResult.UnknownDevice)).ShouldBe(400, "M_UNKNOWN_DEVICE");
    }

    [Test]
    public async Task D2_an_appservice_without_a_device_is_keyed_by_its_user()
    {
        var bridge = Server.Login(AuthResult.Success(Requester.WithoutDevice("@bridge_1:hs1") with { IsAppservice = true }));
        var sameUser = Server.Login(AuthResult.Success(Requester.WithoutDevice("@bridge_1:hs1") with { IsAppservice = true }));
        var otherUser = Server.Login(AuthResult.Success(Requester.WithoutDevice("@bridge_2:hs1") with { IsAppservice = true }));
        var withDevice = Server.Login(AuthResult.Success(new Requester("@bridge_1:hs1", "D") { IsAppservice = true }));

        foreach (var client in new[] { bridge, sameUser, otherUser, withDevice })
            (await client.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That((await Bob.SyncAsync()).Events.Select(message => message.Sender), Is.EqualTo(
            new[] { "@bridge_1:hs1", "@bridge_2:hs1", "@bridge_1:hs1" }));
    }

    [TestCase("3f2504e0-4f89-11d3-9a0c-0305e82c3301")]
    [TestCase("17")]
    [TestCase("alice:hs1")]
    [TestCase("@alice")]
    [TestCase("")]
    public void R20_what_is_no_user_ID_makes_no_request(string userId)
    {
        Assert.That(() => AuthResult.Success(userId, "D"), Throws.ArgumentException.With.Message.Contains("@localpart:server"));
        Assert.That(() => Requester.WithoutDevice(userId), Throws.ArgumentException.With.Message.Contains("@localpart:server"));
    }

    [Test]
    public void R62_a_requester_without_a_device_has_to_be_said() =>
        Assert.That(() => AuthResult.Success("@alice:hs1", null!), Throws.ArgumentException.With.Message.Contains("Requester.WithoutDevice(userId)"));

    private Task<TestResponse> SyncAsync(AuthResult result) =>
        Server.Login(result).SendAsync(HttpMethod.Get, "/_matrix/client/v3/sync");

    private Task<TestResponse> SendAsync(AuthResult result) => Server.Login(result).SendAsync("t1", "@bob:hs1", "B1");
}
