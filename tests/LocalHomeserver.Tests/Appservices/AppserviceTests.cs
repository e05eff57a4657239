using System.Text.Json;
using System.Text.Json.Nodes;

namespace LocalHomeserver.Tests;

/// <summary>An appservice with its registration file, on each store.</summary>
[TestFixture("memory")]
[TestFixture("sqlite")]
[TestFixture("postgresql", Category = "Slow")]
internal sealed class AppserviceTests(string store)
{
    private FakeAppservice _bridge = null!;
    private Homeserver _server = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _bridge = await FakeAppservice.StartAsync();
        _server = await Homeserver.StartAsync(store, "--Appservices:0", _bridge.Registration, "--Federation:MaxPause", "00:00:00.2");
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        await _bridge.DisposeAsync();
    }

    [Test]
    public async Task R104_a_message_for_the_bridges_user_is_pushed_with_its_token_and_again_until_the_answer_is_200()
    {
        var alice = await _server.RegisterAsync("A1");
        var ghost = await AddGhostAsync("alice");
        _bridge.IsAnswerLost = true;

        (await alice.TrySendAsync(ghost, "G1", "1")).Ok();
        await Eventually.IsAsync(() => _bridge.Transactions.Count >= 2, "It is sent again");
        (await alice.TrySendAsync(ghost, "G1", "2")).Ok();
        _bridge.IsAnswerLost = false;

        await Eventually.IsAsync(() => _bridge.Texts.Contains("2"), "The second message is pushed");
        Assert.That(_bridge.Texts, Is.EqualTo(new[] { "1", "2" }));
        var first = _bridge.Transactions.First();
        Assert.That(_bridge.Transactions.Where(transaction => transaction.Id == first.Id).Select(transaction => transaction.Body).Distinct().Count(), Is.EqualTo(1));
        var message = first.ToDevice[0];
        Assert.That(
            (message.String("sender"), message.String("type"), message.String("to_user_id"), message.String("to_device_id")),
            Is.EqualTo((alice.UserId, "m.test", ghost, "G1")));
    }

    [Test]
    public async Task R105_a_user_of_an_inclusive_namespace_gets_it_too()
    {
        var (alice, bob) = (await _server.RegisterAsync(), await _server.RegisterAsync("B1"));

        await alice.SendAsync(bob, "both");

        Assert.That((await bob.SyncAsync()).Texts, Is.EqualTo(new[] { "both" }));
        await Eventually.IsAsync(() => _bridge.Texts.Contains("both"), "It is pushed");
    }

    [Test]
    public async Task R75_an_appservice_makes_renames_and_ends_devices_without_a_password()
    {
        var ghost = await AddGhostAsync("alice");

        Assert.That((await CallAsync("PUT", "/devices/G2", ghost, new { display_name = "Two" })).Status, Is.EqualTo(201));
        Assert.That((await CallAsync("PUT", "/devices/G2", ghost, new { display_name = "Too" })).Status, Is.EqualTo(200));
        var names = (await CallAsync("GET", "/devices", ghost)).Ok().GetProperty("devices").EnumerateArray().Select(device => device.String("device_id"));
        Assert.That(names, Is.EqualTo(new[] { "G1", "G2" }));
        (await CallAsync("DELETE", "/devices/G2", ghost, new { })).Ok();
        (await CallAsync("POST", "/delete_devices", ghost, new { devices = new[] { "G1" } })).Ok();
        Assert.That((await CallAsync("GET", "/devices", ghost)).Ok().GetProperty("devices").GetArrayLength(), Is.Zero);
        (await (await _server.RegisterAsync()).CallAsync("PUT", "/devices/NEW", new { })).IsError(404, "M_NOT_FOUND");
        (await CallAsync("PUT", $"/devices/{new string('x', 256)}", ghost, new { })).IsError(400, "M_INVALID_PARAM");
    }

    [Test]
    public async Task R100_R101_it_acts_as_its_registered_users_and_their_devices_alone()
    {
        var ghost = await AddGhostAsync("alice");

        Assert.That(await WhoAsync(""), Is.EqualTo(("@bridgebot:localhost", (string?)null)));
        Assert.That(await WhoAsync($"?user_id={ghost}"), Is.EqualTo((ghost, (string?)null)));
        Assert.That(await WhoAsync($"?user_id={ghost}&device_id=G1"), Is.EqualTo((ghost, "G1")));
        (await TryAsync("GET", $"/account/whoami?user_id={ghost}&device_id=G7")).IsError(400, "M_UNKNOWN_DEVICE");
        (await TryAsync("GET", "/account/whoami?user_id=@_bridge_nobody:localhost")).IsError(403, "M_FORBIDDEN");
        (await TryAsync("GET", "/account/whoami?user_id=@alice:localhost")).IsError(403, "M_FORBIDDEN");
        (await TryAsync("GET", $"/sync?user_id={ghost}")).IsError(400, "M_MISSING_PARAM");
        var alice = await _server.RegisterAsync();
        Assert.That((await alice.CallAsync("GET", $"/account/whoami?user_id={ghost}&device_id=G7")).Ok().String("user_id"), Is.EqualTo(alice.UserId));

        async Task<(string, string?)> WhoAsync(string query)
        {
            var who = (await TryAsync("GET", "/account/whoami" + query)).Ok();
            return (who.String("user_id"), who.Has("device_id") ? who.String("device_id") : null);
        }
    }

    [Test]
    public async Task R100_an_exclusive_namespace_is_the_appservices_alone()
    {
        (await RegisterAsync(null, new { username = "_bridge_x", password = "x", auth = new { type = "m.login.dummy" } })).IsError(400, "M_EXCLUSIVE");
        (await RegisterAsync(null, new { username = "bridgebot", password = "x", auth = new { type = "m.login.dummy" } })).IsError(400, "M_EXCLUSIVE");
        (await RegisterAsync(null, new { type = "m.login.application_service", username = "_bridge_x" })).IsError(401, "M_MISSING_TOKEN");
        (await RegisterAsync("nobody's", new { type = "m.login.application_service", username = "_bridge_x" })).IsError(401, "M_UNKNOWN_TOKEN");
        (await RegisterAsync(FakeAppservice.AsToken, new { type = "m.login.application_service", username = "x" })).IsError(400, "M_EXCLUSIVE");
        (await RegisterAsync(FakeAppservice.AsToken, new { type = "m.login.application_service" })).IsError(400, "M_MISSING_PARAM");

        var login = (await RegisterAsync(FakeAppservice.AsToken, new { type = "m.login.application_service", username = "_bridge_x", device_id = "D" })).Ok();

        Assert.That((login.String("user_id"), login.String("device_id")), Is.EqualTo(("@_bridge_x:localhost", "D")));
        (await RegisterAsync(FakeAppservice.AsToken, new { type = "m.login.application_service", username = "_bridge_x" })).IsError(400, "M_USER_IN_USE");
        (await _server.SendAsync("POST", "/_matrix/client/v3/login", new { type = "m.login.password", identifier = new { type = "m.id.user", user = "_bridge_x" }, password = "" }))
            .IsError(403, "M_FORBIDDEN");
    }

    [Test]
    public async Task R100_an_exclusive_namespace_is_no_other_appservices_however_wide_its_own_is()
    {
        const string Token = "as_token of the other one";
        var other = Path.Combine(Path.GetDirectoryName(_bridge.Registration)!, "other.yaml");
        await File.WriteAllTextAsync(other, $$"""
            id: other
            as_token: "{{Token}}"
            hs_token: hs_token of the other one
            sender_localpart: otherbot
            namespaces:
              users:
                - exclusive: false
                  regex: '@.*'
            """);
        await using var server = await Homeserver.StartAsync(store, "--Appservices:0", _bridge.Registration, "--Appservices:1", other);

        foreach (var name in new[] { "_bridge_x", "bridgebot" }) (await TryAsync(Token, name)).IsError(400, "M_EXCLUSIVE");

        (await TryAsync(Token, "x")).Ok();
        (await TryAsync(FakeAppservice.AsToken, "_bridge_x")).Ok();

        Task<Reply> TryAsync(string token, string username) => server.SendAsync(
            "POST", "/_matrix/client/v3/register", new { type = "m.login.application_service", username }, token);
    }

    [Test]
    public async Task R101_a_bridge_uploads_and_finds_keys_as_the_device_that_it_asserts_and_sends_as_it()
    {
        var ghost = await AddGhostAsync("alice");
        var alice = await _server.RegisterAsync("A1");
        var device = new TestDevice(_server, JsonSerializer.SerializeToElement(new { user_id = ghost, device_id = "G1", access_token = "" }));
        var keys = new JsonObject { ["device_keys"] = TestKeys.DeviceKeys(device, TestKeys.NewKey(device)) };

        (await CallAsync("POST", "/keys/upload", ghost, keys.ToJsonString(), "G1")).Ok();
        var found = (await alice.CallAsync("POST", "/keys/query", new { device_keys = new Dictionary<string, string[]> { [ghost] = [] } })).Ok();
        Assert.That(found.GetProperty("device_keys").GetProperty(ghost).Has("G1"), found.ToString());

        (await CallAsync("PUT", "/sendToDevice/m.test/t1", ghost, TestDevice.Messages(alice.UserId, "A1", "from the bridge"), "G1")).Ok();
        Assert.That((await alice.SyncAsync()).Texts, Is.EqualTo(new[] { "from the bridge" }));
    }

    [Test]
    public async Task R102_a_bridge_may_sync_as_its_users_device()
    {
        var ghost = await AddGhostAsync("alice");

        Assert.That((await TryAsync("GET", $"/sync?user_id={ghost}&device_id=G1")).Ok().Has("next_batch"));
    }

    [Test]
    public async Task R111_a_bridge_does_not_sync_as_its_users_dehydrated_device()
    {
        var ghost = await AddGhostAsync("alice");
        var body = new TestDehydration(_server, new TestDevice(_server, JsonSerializer.SerializeToElement(new { user_id = ghost, device_id = "G1", access_token = "" }))).Body("DEHYDRATED");
        (await _server.SendAsync("PUT", $"{TestDehydration.Path}?user_id={ghost}&device_id=G1", body.ToJsonString(), FakeAppservice.AsToken)).Ok();

        (await TryAsync("GET", $"/sync?user_id={ghost}&device_id=DEHYDRATED")).IsError(403, "M_FORBIDDEN");
        (await _server.SendAsync(
            "POST", $"/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?user_id={ghost}&device_id=DEHYDRATED", new { }, FakeAppservice.AsToken))
            .IsError(403, "M_FORBIDDEN");
        (await TryAsync("GET", $"/sync?user_id={ghost}&device_id=G1")).Ok();
    }

    [Test]
    public async Task R75_with_device_management_registering_makes_no_device()
    {
        await using var bridge = await FakeAppservice.StartAsync("io.element.msc4190: true");
        await using var server = await Homeserver.StartAsync(store, "--Appservices:0", bridge.Registration);
        var body = new { type = "m.login.application_service", username = "_bridge_x" };

        (await server.SendAsync("POST", "/_matrix/client/v3/register", body, FakeAppservice.AsToken)).IsError(400, "M_APPSERVICE_LOGIN_UNSUPPORTED");
        var inhibiting = new { body.type, body.username, inhibit_login = true };
        Assert.That((await server.SendAsync("POST", "/_matrix/client/v3/register", inhibiting, FakeAppservice.AsToken)).Ok().Has("access_token"), Is.False);
    }

    /// <summary>A user of the bridge with the device G1.</summary>
    private async Task<string> AddGhostAsync(string name)
    {
        var body = new { type = "m.login.application_service", username = $"_bridge_{name}", inhibit_login = true };
        var userId = (await RegisterAsync(FakeAppservice.AsToken, body)).Ok().String("user_id");
        Assert.That((await CallAsync("PUT", "/devices/G1", userId, new { })).Status, Is.EqualTo(201));
        return userId;
    }

    private Task<Reply> RegisterAsync(string? token, object body) => _server.SendAsync("POST", "/_matrix/client/v3/register", body, token);

    private Task<Reply> TryAsync(string method, string path) => _server.SendAsync(method, "/_matrix/client/v3" + path, token: FakeAppservice.AsToken);

    private Task<Reply> CallAsync(string method, string path, string userId, object? body = null, string? deviceId = null) => _server.SendAsync(
        method, $"/_matrix/client/v3{path}?user_id={userId}{(deviceId is null ? "" : $"&device_id={deviceId}")}", body, FakeAppservice.AsToken);
}
