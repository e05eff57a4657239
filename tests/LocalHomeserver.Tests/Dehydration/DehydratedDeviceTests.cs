namespace LocalHomeserver.Tests;

internal sealed class DehydratedDeviceTests(string store) : HomeserverTests(store)
{
    // As clients name them: a key in unpadded Base64, which may have a slash.
    private const string DeviceId = "lTlXC9b4PbKZ+m/GfUxIZzxsJOFwhKMyzDoVV2Ub0Ck";

    private TestDevice _user = null!;
    private TestDevice _sender = null!;
    private TestDehydration _dehydration = null!;

    [SetUp]
    public async Task Register()
    {
        _user = await Server.RegisterAsync("PHONE");
        _sender = await Server.RegisterAsync("SENDER");
        _dehydration = new TestDehydration(Server, _user);
    }

    [Test]
    public async Task R110_messages_for_a_dehydrated_device_wait_for_whoever_rehydrates_it()
    {
        Assert.That((await _dehydration.PutAsync(DeviceId)).Ok().String("device_id"), Is.EqualTo(DeviceId));
        await SendAsync(DeviceId, "one");
        await _user.LogoutAsync();
        await SendAsync("*", "two");

        var laptop = new TestDehydration(Server, await Server.LoginAsync(_user.UserId, "LAPTOP"));
        var device = (await laptop.GetAsync()).Ok();
        Assert.That(device.String("device_id"), Is.EqualTo(DeviceId));
        Assert.That(device.GetProperty("device_data").GetRawText(), Is.EqualTo(
            """{"algorithm":"org.matrix.msc3814.v1.olm","device_pickle":"pickle"}"""));
        Assert.That(await laptop.TextsAsync(DeviceId), Is.EqualTo(new[] { "one", "two" }));
        Assert.That(await laptop.TextsAsync(DeviceId), Is.EqualTo(new[] { "one", "two" }), "R111: nothing is deleted");
    }

    [Test]
    public async Task R110_it_is_a_device_with_keys()
    {
        await _sender.QueryAsync(_user.UserId);
        var since = (await _sender.SyncAsync()).NextBatch;

        (await _dehydration.PutAsync(DeviceId)).Ok();

        Assert.That((await _sender.SyncAsync(since)).Changed(), Is.EqualTo(new[] { _user.UserId }));
        var keys = (await _sender.QueryAsync(_user.UserId)).GetProperty("device_keys").GetProperty(_user.UserId).GetProperty(DeviceId);
        Assert.That(keys.GetProperty("dehydrated").GetBoolean(), Is.True);
        Assert.That(keys.GetProperty("unsigned").String("device_display_name"), Is.EqualTo("Dehydrated device"));
        Assert.That(await DeviceIdsAsync(), Is.EquivalentTo(new[] { "PHONE", DeviceId }), "GET devices, as in Synapse");
        Assert.That(await ClaimAsync(), Is.EqualTo(new[] { "O", "F", "F" }));

        async Task<string?[]> ClaimAsync() =>
            [await _sender.ClaimAsync(_user.UserId, DeviceId), await _sender.ClaimAsync(_user.UserId, DeviceId), await _sender.ClaimAsync(_user.UserId, DeviceId)];
    }

    [Test]
    public async Task R113_a_new_one_ends_the_one_of_before_with_its_messages_and_keys()
    {
        (await _dehydration.PutAsync("OLD")).Ok();
        await SendAsync("OLD", "lost");

        (await _dehydration.PutAsync("NEW", key: "OTHER")).Ok();

        (await _dehydration.EventsAsync("OLD")).IsError(403, "M_FORBIDDEN");
        Assert.That(await _dehydration.TextsAsync("NEW"), Is.Empty);
        Assert.That(await DeviceIdsAsync(), Is.EquivalentTo(new[] { "PHONE", "NEW" }));
        var keys = (await _sender.QueryAsync(_user.UserId)).GetProperty("device_keys").GetProperty(_user.UserId);
        Assert.That(keys.EnumerateObject().Select(device => device.Name), Is.EqualTo(new[] { "NEW" }));
        Assert.That(await _sender.ClaimAsync(_user.UserId, "OLD"), Is.Null);

        // Nor are they there for a later device of that name.
        (await _dehydration.PutAsync("OLD", key: "THIRD")).Ok();
        Assert.That(await _dehydration.TextsAsync("OLD"), Is.Empty);
    }

    [Test]
    public async Task R113_the_same_one_again_is_a_retry_and_one_with_other_data_begins_anew()
    {
        (await _dehydration.PutAsync(DeviceId)).Ok();
        await SendAsync(DeviceId, "one");
        Assert.That(await _sender.ClaimAsync(_user.UserId, DeviceId), Is.EqualTo("O"));

        (await _dehydration.PutAsync(DeviceId)).Ok();
        Assert.That(await _dehydration.TextsAsync(DeviceId), Is.EqualTo(new[] { "one" }), "as if the answer had been lost");
        Assert.That(await _sender.ClaimAsync(_user.UserId, DeviceId), Is.EqualTo("F"), "no key is given twice");

        (await _dehydration.PutAsync(DeviceId, data: "another pickle", key: "OTHER")).Ok();
        Assert.That(await _dehydration.TextsAsync(DeviceId), Is.Empty);
        Assert.That(await _sender.ClaimAsync(_user.UserId, DeviceId), Is.EqualTo("O"));
    }

    /// <summary>The server may have gone down when the device was there and nobody had been told: then only the retry can tell.</summary>
    [Test]
    public async Task R113_D3_the_same_one_again_is_announced_again()
    {
        await _sender.QueryAsync(_user.UserId);
        (await _dehydration.PutAsync(DeviceId)).Ok();
        var since = (await _sender.SyncAsync()).NextBatch;

        (await _dehydration.PutAsync(DeviceId)).Ok();

        Assert.That((await _sender.SyncAsync(since)).Changed(), Is.EqualTo(new[] { _user.UserId }));
    }

    [Test]
    public async Task R112_without_one_there_is_none()
    {
        (await _dehydration.GetAsync()).IsError(404, "M_NOT_FOUND");
        (await _dehydration.DeleteAsync()).IsError(404, "M_NOT_FOUND");
        (await _dehydration.EventsAsync("PHONE")).IsError(403, "M_FORBIDDEN");
    }

    [TestCase("dehydrated_device")]
    [TestCase("devices")]
    [TestCase("logout/all")]
    public async Task R112_D6_one_that_was_deleted_is_gone_with_its_messages_and_keys(string by)
    {
        (await _dehydration.PutAsync("D")).Ok();
        await SendAsync("D", "lost");

        if (by == "dehydrated_device") Assert.That((await _dehydration.DeleteAsync()).Ok().String("device_id"), Is.EqualTo("D"));
        if (by == "devices") (await _user.CallAsync("DELETE", "/devices/D", new { auth = _user.PasswordAuth() })).Ok();
        if (by == "logout/all")
        {
            (await _user.CallAsync("POST", "/logout/all")).Ok();
            _dehydration = new TestDehydration(Server, _user = await Server.LoginAsync(_user.UserId, "PHONE"));
        }

        (await _dehydration.GetAsync()).IsError(404, "M_NOT_FOUND");
        (await _dehydration.EventsAsync("D")).IsError(403, "M_FORBIDDEN");
        Assert.That(await DeviceIdsAsync(), Is.EqualTo(new[] { "PHONE" }));
        Assert.That(await _sender.ClaimAsync(_user.UserId, "D"), Is.Null);
        Assert.That((await (await Server.LoginAsync(_user.UserId, "D")).SyncAsync()).Texts, Is.Empty, "a later device of that name");
        (await _dehydration.GetAsync()).IsError(404, "M_NOT_FOUND");
    }

    [Test]
    public async Task R111_nobody_logs_in_with_it()
    {
        (await _dehydration.PutAsync("D")).Ok();
        await SendAsync("D", "kept");

        (await Server.SendAsync("POST", "/_matrix/client/v3/login", new
        {
            type = "m.login.password",
            identifier = new { type = "m.id.user", user = _user.UserId },
            password = Homeserver.Password,
            device_id = "D",
        })).IsError(400, "M_INVALID_PARAM");

        Assert.That(await _dehydration.TextsAsync("D"), Is.EqualTo(new[] { "kept" }));
    }

    [Test]
    public async Task R74_it_takes_the_name_of_no_device_and_of_no_key()
    {
        await SendAsync("PHONE", "kept");
        (await _dehydration.PutAsync("OLD")).Ok();
        var identity = await _user.UploadCrossSigningAsync();

        (await _dehydration.PutAsync("PHONE")).IsError(400, "M_INVALID_PARAM");
        (await _dehydration.PutAsync(identity.Master.PublicKey())).IsError(400, "M_INVALID_PARAM");

        Assert.That((await _dehydration.GetAsync()).Ok().String("device_id"), Is.EqualTo("OLD"), "what is refused ends nothing");
        Assert.That((await _user.SyncAsync()).Texts, Is.EqualTo(new[] { "kept" }));
    }

    [Test]
    public async Task R113_every_user_has_an_own_one()
    {
        var other = new TestDehydration(Server, _sender);
        (await _dehydration.PutAsync("D")).Ok();
        (await other.PutAsync("D")).Ok();
        await SendAsync("D", "for the user");

        Assert.That(await other.TextsAsync("D"), Is.Empty);
        (await other.DeleteAsync()).Ok();
        Assert.That(await _dehydration.TextsAsync("D"), Is.EqualTo(new[] { "for the user" }));
    }

    [TestCase("device_id", null, "M_MISSING_PARAM")]
    [TestCase("device_id", "1", "M_BAD_JSON")]
    [TestCase("device_id", "\"\"", "M_INVALID_PARAM")]
    [TestCase("device_id", "\"OTHER\"", "M_INVALID_PARAM")]
    [TestCase("device_data", null, "M_MISSING_PARAM")]
    [TestCase("device_data", "\"x\"", "M_BAD_JSON")]
    [TestCase("device_data", "{}", "M_BAD_JSON")]
    [TestCase("device_data", """{"algorithm":1}""", "M_BAD_JSON")]
    [TestCase("device_data", """{"algorithm":"\ud800"}""", "M_BAD_JSON")]
    [TestCase("device_keys", null, "M_MISSING_PARAM")]
    [TestCase("device_keys", "[]", "M_BAD_JSON", "M_INVALID_PARAM")]
    [TestCase("one_time_keys", """{"a":"b"}""", "M_INVALID_PARAM")]
    [TestCase("one_time_keys", "[]", "M_BAD_JSON")]
    [TestCase("fallback_keys", """{"a:b":1}""", "M_BAD_JSON")]
    [TestCase("initial_device_display_name", "1", "M_BAD_JSON")]
    public async Task D7_a_bad_body_is_told_and_ends_nothing(string member, string? value, params string[] errorCodes)
    {
        (await _dehydration.PutAsync("OLD")).Ok();
        await SendAsync("OLD", "kept");
        var body = _dehydration.Body("NEW");
        body.Remove(member);
        var json = value is null ? body.ToJsonString() : $$"""{{body.ToJsonString()[..^1]}},"{{member}}":{{value}}}""";

        var reply = await _dehydration.PutBodyAsync(json);

        Assert.That(reply.Status, Is.EqualTo(400), reply.Text);
        Assert.That(errorCodes, Does.Contain(reply.Body.String("errcode")));
        Assert.That(await _dehydration.TextsAsync("OLD"), Is.EqualTo(new[] { "kept" }));
    }

    [Test]
    public async Task D8_its_data_and_keys_are_bounded()
    {
        (await _dehydration.PutAsync("D", data: new string('x', 65_536))).IsError(413, "M_TOO_LARGE");
        var body = _dehydration.Body("D");
        for (var i = 0; i < 999; i++) body["one_time_keys"]!.AsObject()[$"a:{i}"] = "x";
        (await _dehydration.PutBodyAsync(body)).IsError(400, "M_INVALID_PARAM");
        (await _dehydration.PutAsync("D")).Ok();
    }

    [TestCase("PUT", 401, "M_MISSING_TOKEN")]
    [TestCase("GET", 401, "M_MISSING_TOKEN")]
    [TestCase("DELETE", 401, "M_MISSING_TOKEN")]
    [TestCase("POST", 405, "M_UNRECOGNIZED")]
    [TestCase("PATCH", 405, "M_UNRECOGNIZED")]
    public async Task R5_R9_methods_and_tokens_are_looked_at(string method, int status, string errorCode) =>
        (await Server.SendAsync(method, "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device", "{}")).IsError(status, errorCode);

    [Test]
    public async Task R110_the_server_says_that_it_has_it()
    {
        var features = (await Server.SendAsync("GET", "/_matrix/client/versions")).Ok().GetProperty("unstable_features");
        Assert.That(features.GetProperty("org.matrix.msc3814").GetBoolean(), Is.True);
    }

    [Test]
    public async Task R113_two_that_begin_at_once_leave_one()
    {
        for (var round = 0; round < 5; round++)
        {
            var replies = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => _dehydration.PutAsync($"D{round}.{i}")));
            foreach (var reply in replies) reply.Ok();

            var deviceId = (await _dehydration.GetAsync()).Ok().String("device_id");
            Assert.That(await DeviceIdsAsync(), Is.EquivalentTo(new[] { "PHONE", deviceId }));
        }
    }

    private async Task SendAsync(string deviceId, string text) => (await _sender.TrySendAsync(_user.UserId, deviceId, text)).Ok();

    private async Task<string[]> DeviceIdsAsync() =>
        [.. (await _user.CallAsync("GET", "/devices")).Ok().GetProperty("devices").EnumerateArray().Select(device => device.String("device_id"))];
}
