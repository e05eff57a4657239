namespace LocalHomeserver.Tests;

/// <summary>Whatever is in a body, its request is answered 400, and nothing of it is done.</summary>
internal sealed class MalformedBodyTests(string store) : HomeserverTests(store)
{
    // A $ is where a value of another type is put. What is named behind it may be there, or is refused elsewhere.
    private static readonly (string Path, string Body, string[] May)[] s_bodies =
    [
        ("POST /register", "$", ["object", "object of null"]),
        ("POST /register", """{"auth":$}""", ["object", "object of null", "null"]),
        ("POST /register", """{"auth":{"type":$}}""", ["text", "null"]),
        ("POST /register", """{"auth":{"type":"m.login.dummy"},"password":$}""", ["text"]),
        ("POST /register", """{"username":$}""", ["text", "null"]),
        ("POST /register", """{"device_id":$}""", ["text", "null"]),
        ("POST /register", """{"inhibit_login":$}""", ["true", "null"]),
        ("POST /login", "$", []),
        ("POST /login", """{"type":$}""", ["text"]),
        ("POST /login", """{"type":"m.login.password","identifier":$,"password":"x"}""", []),
        ("POST /login", """{"type":"m.login.password","identifier":{"type":"m.id.user","user":$},"password":"x"}""", ["text"]),
        ("POST /login", """{"type":"m.login.password","user":"x","password":$}""", ["text"]),
        ("POST /refresh", "$", []),
        ("POST /refresh", """{"refresh_token":$}""", ["text"]),
        ("POST /user/@USER/filter", "$", ["object", "object of null"]),
        ("PUT /user/@USER/account_data/a", "$", ["object", "object of null"]),
        ("PUT /devices/DEV", "$", ["object", "object of null"]),
        ("PUT /devices/DEV", """{"display_name":$}""", ["text", "null"]),
        ("DELETE /devices/DEV", "$", ["object", "object of null"]),
        ("DELETE /devices/DEV", """{"auth":$}""", ["object", "object of null", "null"]),
        ("DELETE /devices/DEV", """{"auth":{"type":"m.login.password","identifier":$,"password":"x"}}""", []),
        ("POST /delete_devices", "$", []),
        ("POST /delete_devices", """{"devices":$}""", ["list"]),
        ("POST /delete_devices", """{"devices":[$]}""", ["text"]),
        ("POST /delete_devices", """{"devices":["NONE"],"auth":$}""", ["object", "object of null", "null"]),
        ("POST /keys/upload", "$", ["object", "object of null"]),
        ("POST /keys/upload", """{"device_keys":$}""", ["null"]),
        ("POST /keys/upload", """{"device_keys":{"user_id":$,"device_id":"DEV","algorithms":[],"keys":{},"signatures":{}}}""", []),
        ("POST /keys/upload", """{"device_keys":{"user_id":"@USER","device_id":$,"algorithms":[],"keys":{},"signatures":{}}}""", []),
        ("POST /keys/upload", """{"device_keys":{"user_id":"@USER","device_id":"DEV","algorithms":$,"keys":{},"signatures":{}}}""", ["list"]),
        ("POST /keys/upload", """{"device_keys":{"user_id":"@USER","device_id":"DEV","algorithms":[$],"keys":{},"signatures":{}}}""", ["text"]),
        ("POST /keys/upload", """{"device_keys":{"user_id":"@USER","device_id":"DEV","algorithms":[],"keys":$,"signatures":{}}}""", ["object"]),
        ("POST /keys/upload", """{"device_keys":{"user_id":"@USER","device_id":"DEV","algorithms":[],"keys":{"a":$},"signatures":{}}}""", ["text"]),
        ("POST /keys/upload", """{"device_keys":{"user_id":"@USER","device_id":"DEV","algorithms":[],"keys":{},"signatures":$}}""", ["object"]),
        ("POST /keys/upload", """{"device_keys":{"user_id":"@USER","device_id":"DEV","algorithms":[],"keys":{},"signatures":{"a":$}}}""", ["object"]),
        ("POST /keys/upload", """{"device_keys":{"user_id":"@USER","device_id":"DEV","algorithms":[],"keys":{},"signatures":{"a":{"b":$}}}}""", ["text"]),
        ("POST /keys/upload", """{"one_time_keys":$}""", ["object", "null"]),
        ("POST /keys/upload", """{"one_time_keys":{"a:b":$}}""", ["text"]),
        ("POST /keys/upload", """{"one_time_keys":{"a:b":{"key":$}}}""", ["text"]),
        ("POST /keys/upload", """{"fallback_keys":$}""", ["object", "null"]),
        ("POST /keys/upload", """{"fallback_keys":{"a:b":{"key":$}}}""", ["text"]),
        ("POST /keys/query", "$", []),
        ("POST /keys/query", """{"device_keys":$}""", ["object"]),
        ("POST /keys/query", """{"device_keys":{"@USER":$}}""", ["list"]),
        ("POST /keys/query", """{"device_keys":{"@USER":[$]}}""", ["text"]),
        ("POST /keys/query", """{"device_keys":{},"timeout":$}""", ["number", "null"]),
        ("POST /keys/claim", "$", []),
        ("POST /keys/claim", """{"one_time_keys":$}""", ["object"]),
        ("POST /keys/claim", """{"one_time_keys":{"@USER":$}}""", ["object"]),
        ("POST /keys/claim", """{"one_time_keys":{"@USER":{"DEV":$}}}""", ["text"]),
        ("POST /keys/claim", """{"one_time_keys":{},"timeout":$}""", ["number", "null"]),
        ("POST /keys/device_signing/upload", "$", []),
        ("POST /keys/device_signing/upload", """{"master_key":$}""", []),
        ("POST /keys/device_signing/upload", """{"master_key":{"user_id":$,"usage":["master"],"keys":{"ed25519:KEY":"KEY"}}}""", []),
        ("POST /keys/device_signing/upload", """{"master_key":{"user_id":"@USER","usage":$,"keys":{"ed25519:KEY":"KEY"}}}""", []),
        ("POST /keys/device_signing/upload", """{"master_key":{"user_id":"@USER","usage":["master",$],"keys":{"ed25519:KEY":"KEY"}}}""", ["text"]),
        ("POST /keys/device_signing/upload", """{"master_key":{"user_id":"@USER","usage":["master"],"keys":$}}""", []),
        ("POST /keys/device_signing/upload", """{"master_key":{"user_id":"@USER","usage":["master"],"keys":{"ed25519:KEY":$}}}""", []),
        ("POST /keys/device_signing/upload", """{"master_key":{"user_id":"@USER","usage":["master"],"keys":{"ed25519:KEY":"KEY"},"signatures":$}}""", ["object"]),
        ("POST /keys/device_signing/upload", """{"master_key":{"user_id":"@USER","usage":["master"],"keys":{"ed25519:KEY":"KEY"}},"self_signing_key":$}""", ["null"]),
        ("POST /keys/device_signing/upload", """{"self_signing_key":$}""", []),
        ("POST /keys/signatures/upload", "$", ["object"]),
        ("POST /keys/signatures/upload", """{"@USER":$}""", ["object"]),
        ("POST /keys/signatures/upload", """{"@USER":{"DEV":$}}""", ["object", "object of null"]),
        ("POST /keys/signatures/upload", """{"@USER":{"KEY":$}}""", ["object", "object of null"]),
    ];

    private static readonly (string Kind, string Json)[] s_values =
    [
        ("null", "null"), ("true", "true"), ("number", "0"), ("number out of range", "-1e999"), ("fraction", "1.5"), ("text", "\"x\""),
        ("list", "[]"), ("list of null", "[null]"), ("list of lists", "[[]]"), ("object", "{}"), ("object of null", """{"x":null}"""),
    ];

    // These are wrong wherever they are.
    private static readonly string[] s_never =
    [
        "\"\\ud800\"", "\"x\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud83dx\\ude00\"", """{"\ud800":1}""", """{"x":{"\udfffxxxxxxxxxxxxxxxxxxxxxx":[]}}""",
        """["\ud800"]""", Nested(100), Nested(5000), new string('[', 64) + new string(']', 64) + "x", "x", "{", "NaN", "'x'", "{}{}", "\"\n\"", "\"\\x\"", "01",
    ];

    private TestDevice _device = null!;

    [SetUp]
    public async Task Register() => _device = await Server.RegisterAsync("DEV");

    [TestCaseSource(nameof(s_bodies))]
    public async Task A_value_of_a_wrong_type_is_told((string Path, string Body, string[] May) endpoint)
    {
        foreach (var (kind, json) in s_values)
        {
            if (!endpoint.May.Contains(kind)) await IsRefusedAsync(endpoint.Path, endpoint.Body, json);
        }

        foreach (var json in s_never)
        {
            await IsRefusedAsync(endpoint.Path, endpoint.Body, json);

            // In a member that nobody reads, too.
            if (endpoint.Body == "$") await IsRefusedAsync(endpoint.Path, """{"x.y":$}""", json);
        }

        // The device and its user are as before.
        var devices = (await _device.CallAsync("GET", "/devices")).Ok().GetProperty("devices");
        Assert.That(devices.EnumerateArray().Select(device => (device.String("device_id"), device.String("display_name"))), Is.EqualTo(new[] { ("DEV", "") }));
        var sync = await _device.SyncAsync();
        Assert.That((sync.Count(), sync.UnusedFallbackKeys().Length), Is.EqualTo((0, 0)));
        var keys = await _device.QueryAsync(_device.UserId);
        Assert.That(keys.GetProperty("device_keys").GetProperty(_device.UserId).EnumerateObject(), Is.Empty);
        Assert.That(keys.GetProperty("master_keys").EnumerateObject(), Is.Empty);
    }

    [TestCase(31, 200)]
    [TestCase(32, 400)]
    [TestCase(60, 400)]
    public async Task A_key_is_nested_only_so_deep_that_everybody_can_be_told(int depth, int status)
    {
        var keys = TestKeys.DeviceKeys(_device, TestKeys.NewKey(_device));
        keys["deep"] = System.Text.Json.Nodes.JsonNode.Parse(Nested(depth));
        var reply = await _device.TryUploadAsync(keys);

        Assert.That(reply.Status, Is.EqualTo(status), reply.Text);
        var seen = (await _device.QueryAsync(_device.UserId)).GetProperty("device_keys").GetProperty(_device.UserId);
        Assert.That(seen.Has("DEV"), Is.EqualTo(status == 200));
    }

    [Test]
    public async Task Names_of_keys_and_of_users_are_not_too_long()
    {
        var longest = new string('ü', 255);
        (await _device.CallAsync("POST", "/keys/upload", $$$"""{"one_time_keys":{"{{{longest}}}:{{{longest}}}":"x"}}""")).Ok();
        (await _device.CallAsync("POST", "/keys/upload", $$$"""{"one_time_keys":{"a:{{{longest}}}x":"x"}}""")).IsError(400, "M_INVALID_PARAM");
        (await _device.CallAsync("POST", "/keys/upload", $$$"""{"fallback_keys":{"{{{new string('x', 5000)}}}:a":"x"}}""")).IsError(400, "M_INVALID_PARAM");
        foreach (var userId in (string[])[$"@{new string('x', 5000)}:localhost", $"@{new string('x', 5000)}:hs2.localhost", "@a\\u0000:hs2.localhost", "@:", "@a"])
        {
            var queried = (await _device.CallAsync("POST", "/keys/query", $$$"""{"device_keys":{"{{{userId}}}":[]}}""")).Ok();
            var claimed = (await _device.CallAsync("POST", "/keys/claim", $$$$"""{"one_time_keys":{"{{{{userId}}}}":{}}}""")).Ok();
            foreach (var users in new[] { queried.GetProperty("device_keys"), claimed.GetProperty("one_time_keys"), queried.GetProperty("failures") })
                Assert.That(users.EnumerateObject(), Is.Empty);
            (await _device.CallAsync("POST", "/keys/signatures/upload", $$$"""{"{{{userId}}}":{}}""")).Ok();
        }

        // White space is nothing in Base64: a key could be as long as a body.
        var key = TestKeys.NewKey().PublicKey() + new string(' ', 5000);
        var body = $$$$"""{"master_key":{"user_id":"{{{{_device.UserId}}}}","usage":["master"],"keys":{"ed25519:{{{{key}}}}":"{{{{key}}}}"}}}""";
        (await _device.CallAsync("POST", "/keys/device_signing/upload", body)).IsError(400, "M_INVALID_PARAM");
    }

    [Test]
    public async Task A_device_that_is_to_be_deleted_need_not_exist_however_many_there_are()
    {
        var tablet = await Server.LoginAsync(_device.UserId, "TABLET");
        var devices = Enumerable.Range(0, 20_000).Select(n => $"D{n}").Append("TABLET").Append("TABLET");
        (await _device.CallAsync("POST", "/delete_devices", new { devices, auth = _device.PasswordAuth() })).Ok();
        (await tablet.TrySyncAsync()).IsError(401, "M_UNKNOWN_TOKEN");
    }

    private async Task IsRefusedAsync(string path, string body, string value)
    {
        const string Key = "lEn6/+JcMhYvTdFCx6F3Vv3JVQ2GQJ/sbp+LEVQvBk4";
        var parts = path.Replace("@USER", Uri.EscapeDataString(_device.UserId), StringComparison.Ordinal).Split(' ');
        body = body.Replace("@USER", _device.UserId, StringComparison.Ordinal).Replace("KEY", Key, StringComparison.Ordinal)
            .Replace("$", value, StringComparison.Ordinal);
        var reply = await _device.CallAsync(parts[0], parts[1], body);
        var what = $"{path} {(body.Length > 300 ? body[..300] : body)}: {reply.Text}";
        Assert.That(reply.Status, Is.EqualTo(400), what);
        Assert.That(
            reply.Body.String("errcode"), Is.AnyOf("M_BAD_JSON", "M_NOT_JSON", "M_INVALID_PARAM", "M_MISSING_PARAM", "M_INVALID_USERNAME", "M_UNKNOWN"), what);
    }

    private static string Nested(int depth) => new string('[', depth) + new string(']', depth);
}
