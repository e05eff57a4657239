using System.Text.Json.Nodes;

namespace LocalHomeserver.Tests;

internal sealed class CrossSigningTests(string store) : HomeserverTests(store)
{
    private TestDevice _phone = null!;

    [SetUp]
    public async Task Register() => _phone = await Server.RegisterAsync("PHONE");

    [Test]
    public async Task The_first_keys_and_the_same_keys_again_need_no_password()
    {
        var identity = await _phone.UploadCrossSigningAsync();
        (await UploadAsync(identity.Upload())).Ok();
    }

    [Test]
    public async Task Other_keys_need_the_password()
    {
        var old = await _phone.UploadCrossSigningAsync();
        var identity = TestIdentity.Of(_phone);

        var challenge = await UploadAsync(identity.Upload());
        Assert.That(challenge.Status, Is.EqualTo(401));
        Assert.That(challenge.Body.GetProperty("flows")[0].GetProperty("stages")[0].GetString(), Is.EqualTo("m.login.password"));
        Assert.That((await UploadAsync(identity.Upload(_phone.PasswordAuth("wrong")))).Status, Is.EqualTo(401));
        Assert.That(await MasterKeyAsync(), Is.EqualTo(old.Master.KeyId));

        (await UploadAsync(identity.Upload(_phone.PasswordAuth()))).Ok();
        Assert.That(await MasterKeyAsync(), Is.EqualTo(identity.Master.KeyId));
    }

    [Test]
    public async Task A_new_master_key_ends_the_keys_that_the_old_one_has_signed()
    {
        await _phone.UploadCrossSigningAsync();
        var master = TestIdentity.Of(_phone).MasterKey;

        (await UploadAsync(new() { ["master_key"] = master, ["auth"] = Json(_phone.PasswordAuth()) })).Ok();

        var answer = await _phone.QueryAsync(_phone.UserId);
        Assert.That(answer.GetProperty("self_signing_keys").EnumerateObject(), Is.Empty);
        Assert.That(answer.GetProperty("user_signing_keys").EnumerateObject(), Is.Empty);
    }

    [Test]
    public async Task A_key_that_keeps_its_place_under_a_new_master_key_stays()
    {
        var old = await _phone.UploadCrossSigningAsync();
        var identity = old with { Master = TestKeys.NewKey() };

        (await UploadAsync(identity.Upload(_phone.PasswordAuth()))).Ok();

        var key = (await _phone.QueryAsync(_phone.UserId)).GetProperty("self_signing_keys").GetProperty(_phone.UserId);
        Assert.That(key.GetProperty("signatures").GetProperty(_phone.UserId).Has(identity.Master.KeyId), Is.True);
    }

    [Test]
    public async Task A_single_key_is_signed_by_the_master_key_that_is_there()
    {
        var identity = await _phone.UploadCrossSigningAsync();
        var another = TestKeys.NewKey();
        var key = TestKeys.CrossSigningKey(_phone.UserId, "self_signing", another, identity.Master);

        (await UploadAsync(new() { ["self_signing_key"] = key.DeepClone(), ["auth"] = Json(_phone.PasswordAuth()) })).Ok();

        Assert.That((await _phone.QueryAsync(_phone.UserId)).GetProperty("self_signing_keys").GetProperty(_phone.UserId)
            .GetProperty("keys").Has(another.KeyId), Is.True);
        Assert.That(await MasterKeyAsync(), Is.EqualTo(identity.Master.KeyId));
    }

    [Test]
    public async Task A_key_without_a_master_key_is_refused()
    {
        (await UploadAsync([])).IsError(400, "M_MISSING_PARAM");
        var upload = TestIdentity.Of(_phone).Upload();
        upload.Remove("master_key");
        (await UploadAsync(upload)).IsError(400, "M_MISSING_PARAM");
    }

    [TestCase("self_signing")]
    [TestCase("user_signing")]
    public async Task A_key_that_the_master_key_has_not_signed_is_refused(string usage)
    {
        var identity = TestIdentity.Of(_phone);
        var upload = identity.Upload();
        upload[$"{usage}_key"] = TestKeys.CrossSigningKey(_phone.UserId, usage, TestKeys.NewKey(), TestKeys.NewKey());
        (await UploadAsync(upload)).IsError(400, "M_INVALID_SIGNATURE");

        // The right signature, of another key.
        var replaced = identity.Upload();
        var other = TestKeys.NewKey();
        replaced[$"{usage}_key"]!["keys"] = new JsonObject { [other.KeyId] = other.PublicKey() };
        (await UploadAsync(replaced)).IsError(400, "M_INVALID_SIGNATURE");
        Assert.That((await _phone.QueryAsync(_phone.UserId)).GetProperty("master_keys").EnumerateObject(), Is.Empty);
    }

    [TestCase("user_id", "\"@mallory:localhost\"")]
    [TestCase("usage", "[\"self_signing\"]")]
    [TestCase("usage", "\"master\"")]
    [TestCase("keys", "{}")]
    [TestCase("keys", "{\"ed25519:a\":\"b\"}")]
    [TestCase("keys", "{\"ed25519:short\":\"short\"}")]
    [TestCase("keys", "{\"ed25519:a\":7}")]
    [TestCase("keys", "[]")]
    public async Task A_key_is_the_callers_and_of_the_form_of_a_key(string member, string value)
    {
        var master = TestIdentity.Of(_phone).MasterKey;
        master[member] = JsonNode.Parse(value);
        (await UploadAsync(new() { ["master_key"] = master })).IsError(400, "M_INVALID_PARAM");
    }

    [Test]
    public async Task R74_a_device_cannot_have_the_ID_of_a_key()
    {
        var identity = await _phone.UploadCrossSigningAsync();
        foreach (var key in new[] { identity.Master, identity.SelfSigning, identity.UserSigning })
        {
            (await Call("POST", "/login", new
            {
                type = "m.login.password",
                identifier = new { type = "m.id.user", user = _phone.UserId },
                password = Homeserver.Password,
                device_id = key.PublicKey(),
            })).IsError(400, "M_INVALID_PARAM");
        }

        var other = await Server.RegisterAsync();
        await Server.LoginAsync(other.UserId, identity.Master.PublicKey());
    }

    [Test]
    public async Task R74_a_key_cannot_have_the_ID_of_a_device()
    {
        var identity = TestIdentity.Of(_phone);
        await Server.LoginAsync(_phone.UserId, identity.SelfSigning.PublicKey());
        (await UploadAsync(identity.Upload())).IsError(403, "M_FORBIDDEN");
        Assert.That((await _phone.QueryAsync(_phone.UserId)).GetProperty("master_keys").EnumerateObject(), Is.Empty);
    }

    [Test]
    public async Task R74_a_key_is_no_device_and_gets_no_messages()
    {
        var identity = await _phone.UploadCrossSigningAsync();
        (await _phone.TrySendAsync(_phone.UserId, identity.Master.PublicKey(), "nobody there")).Ok();
        (await _phone.TrySendAsync(_phone.UserId, "*", "to devices")).Ok();

        Assert.That((await _phone.SyncAsync()).Texts, Is.EqualTo(new[] { "to devices" }));
        Assert.That((await _phone.CallAsync("GET", "/devices")).Ok().GetProperty("devices").GetArrayLength(), Is.EqualTo(1));
    }

    private static JsonNode Json(object value) => System.Text.Json.JsonSerializer.SerializeToNode(value)!;

    private Task<Reply> UploadAsync(JsonObject body) => _phone.CallAsync("POST", "/keys/device_signing/upload", body);

    private async Task<string> MasterKeyAsync() => (await _phone.QueryAsync(_phone.UserId))
        .GetProperty("master_keys").GetProperty(_phone.UserId).GetProperty("keys").EnumerateObject().Single().Name;
}
