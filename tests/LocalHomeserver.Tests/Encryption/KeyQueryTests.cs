using System.Text.Json;
using System.Text.Json.Nodes;

namespace LocalHomeserver.Tests;

internal sealed class KeyQueryTests(string store) : HomeserverTests(store)
{
    private TestDevice _alice = null!;
    private TestDevice _bob = null!;

    [SetUp]
    public async Task Register()
    {
        _alice = await Server.RegisterAsync("PHONE");
        _bob = await Server.RegisterAsync("LAPTOP");
    }

    [Test]
    public async Task Identity_keys_come_as_they_were_uploaded_with_the_name_of_the_device()
    {
        var keys = TestKeys.DeviceKeys(_bob, TestKeys.NewKey(_bob));
        (await _bob.TryUploadAsync(keys)).Ok();
        (await _bob.CallAsync("PUT", "/devices/LAPTOP", new { display_name = "Bob's" })).Ok();

        var answer = await _alice.QueryAsync(_bob.UserId);

        var device = JsonNode.Parse(answer.GetProperty("device_keys").GetProperty(_bob.UserId).GetProperty("LAPTOP").GetRawText())!.AsObject();
        Assert.That(device["unsigned"]!["device_display_name"]!.GetValue<string>(), Is.EqualTo("Bob's"));
        device.Remove("unsigned");
        Assert.That(JsonNode.DeepEquals(device, keys), Is.True);
        Assert.That(answer.GetProperty("failures").EnumerateObject(), Is.Empty);
    }

    [Test]
    public async Task Cross_signing_keys_come_with_them_and_the_user_signing_key_only_to_its_own_user()
    {
        var identity = await _bob.UploadCrossSigningAsync();

        var (toAlice, toBob) = (await _alice.QueryAsync(_bob.UserId), await _bob.QueryAsync(_bob.UserId));

        foreach (var answer in new[] { toAlice, toBob })
        {
            Assert.That(Key(answer, "master_keys").Has(identity.Master.KeyId), Is.True);
            Assert.That(Key(answer, "self_signing_keys").Has(identity.SelfSigning.KeyId), Is.True);
        }

        Assert.That(toAlice.GetProperty("user_signing_keys").EnumerateObject(), Is.Empty);
        Assert.That(Key(toBob, "user_signing_keys").Has(identity.UserSigning.KeyId), Is.True);

        JsonElement Key(JsonElement answer, string name) => answer.GetProperty(name).GetProperty(_bob.UserId).GetProperty("keys");
    }

    [Test]
    public async Task Devices_can_be_asked_for_by_their_IDs_and_those_without_keys_are_left_out()
    {
        var tablet = await Server.LoginAsync(_bob.UserId, "TABLET");
        await Server.LoginAsync(_bob.UserId, "WATCH");
        await _bob.UploadIdentityAsync();
        await tablet.UploadIdentityAsync();

        Assert.That(await DevicesAsync([]), Is.EquivalentTo(new[] { "LAPTOP", "TABLET" }));
        Assert.That(await DevicesAsync(["TABLET", "WATCH", "NONE"]), Is.EqualTo(new[] { "TABLET" }));

        async Task<IEnumerable<string>> DevicesAsync(string[] deviceIds)
        {
            var body = new { device_keys = new Dictionary<string, string[]> { [_bob.UserId] = deviceIds } };
            var answer = (await _alice.CallAsync("POST", "/keys/query", body)).Ok();
            return answer.GetProperty("device_keys").GetProperty(_bob.UserId).EnumerateObject().Select(device => device.Name);
        }
    }

    [Test]
    public async Task An_unknown_user_has_no_devices_and_is_no_failure()
    {
        var answer = await _alice.QueryAsync("@nobody:localhost");
        Assert.That(answer.GetProperty("device_keys").GetProperty("@nobody:localhost").EnumerateObject(), Is.Empty);
        Assert.That(answer.GetProperty("failures").EnumerateObject(), Is.Empty);
    }

    [Test]
    public async Task A_server_that_is_not_a_peer_is_a_failure_and_the_others_are_answered()
    {
        await _bob.UploadIdentityAsync();
        var answer = await _alice.QueryAsync(_bob.UserId, "@x:elsewhere.example");

        Assert.That(answer.GetProperty("failures").EnumerateObject().Select(failure => failure.Name), Is.EqualTo(new[] { "elsewhere.example" }));
        Assert.That(answer.GetProperty("device_keys").GetProperty(_bob.UserId).Has("LAPTOP"), Is.True);
    }

    [TestCase("nobody")]
    [TestCase("@:")]
    [TestCase("@bob")]
    [TestCase("")]
    [TestCase("@bob\0:hs2.localhost")]
    public async Task D10_what_is_no_user_ID_is_left_out_and_the_others_are_answered(string invalid)
    {
        await _bob.UploadIdentityAsync();
        var answer = await _alice.QueryAsync(invalid, _bob.UserId);

        Assert.That(answer.GetProperty("device_keys").EnumerateObject().Select(user => user.Name), Is.EqualTo(new[] { _bob.UserId }));
        Assert.That(answer.GetProperty("device_keys").GetProperty(_bob.UserId).Has("LAPTOP"), Is.True);
        Assert.That(answer.GetProperty("failures").EnumerateObject(), Is.Empty);
    }

    [TestCase("{}", "M_MISSING_PARAM")]
    [TestCase("""{"device_keys":[]}""", "M_BAD_JSON")]
    [TestCase("""{"device_keys":{"@a:localhost":"PHONE"}}""", "M_BAD_JSON")]
    [TestCase("""{"device_keys":{"@a:localhost":[7]}}""", "M_BAD_JSON")]
    [TestCase("""{"device_keys":{"@a:localhost":null}}""", "M_BAD_JSON")]
    [TestCase("""{"device_keys":{"@\ud800:localhost":[]}}""", "M_BAD_JSON")]
    public async Task A_question_of_another_form_is_refused(string body, string errorCode) =>
        (await _alice.CallAsync("POST", "/keys/query", body)).IsError(400, errorCode);
}
