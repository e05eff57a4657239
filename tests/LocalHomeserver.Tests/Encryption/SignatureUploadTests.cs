using System.Text.Json;
using System.Text.Json.Nodes;

namespace LocalHomeserver.Tests;

internal sealed class SignatureUploadTests(string store) : HomeserverTests(store)
{
    private TestDevice _alice = null!, _bob = null!;
    private SigningKey _alicesPhone = null!;
    private TestIdentity _alicesKeys = null!, _bobsKeys = null!;

    [SetUp]
    public async Task Register()
    {
        _alice = await Server.RegisterAsync("PHONE");
        _bob = await Server.RegisterAsync("LAPTOP");
        _alicesPhone = await _alice.UploadIdentityAsync();
        _alicesKeys = await _alice.UploadCrossSigningAsync();
        _bobsKeys = await _bob.UploadCrossSigningAsync();
    }

    [Test]
    public async Task Everybody_sees_what_a_user_has_signed_of_their_own()
    {
        var device = TestKeys.SignAnew(TestKeys.DeviceKeys(_alice, _alicesPhone), _alice.UserId, _alicesKeys.SelfSigning);
        var master = TestKeys.SignAnew(_alicesKeys.MasterKey, _alice.UserId, _alicesPhone);

        NoFailures(await _alice.TrySignAsync(_alice.UserId, "PHONE", device));
        NoFailures(await _alice.TrySignAsync(_alice.UserId, _alicesKeys.Master.PublicKey(), master));

        foreach (var asker in new[] { _alice, _bob })
        {
            var answer = await asker.QueryAsync(_alice.UserId);
            var phone = answer.GetProperty("device_keys").GetProperty(_alice.UserId).GetProperty("PHONE");
            Assert.That(Signers(phone, _alice), Is.EquivalentTo(new[] { "ed25519:PHONE", _alicesKeys.SelfSigning.KeyId }));
            Assert.That(IsSigned(phone, _alicesKeys.SelfSigning), Is.True);
            Assert.That(IsSigned(answer.GetProperty("master_keys").GetProperty(_alice.UserId), _alicesPhone), Is.True);
        }
    }

    [Test]
    public async Task Whom_a_user_has_verified_is_seen_by_that_user_alone()
    {
        var carol = await Server.RegisterAsync();
        var signed = TestKeys.SignAnew(_bobsKeys.MasterKey, _alice.UserId, _alicesKeys.UserSigning);

        NoFailures(await _alice.TrySignAsync(_bob.UserId, _bobsKeys.Master.PublicKey(), signed));

        Assert.That(await MasterSignersAsync(_alice), Is.EqualTo(new[] { _alicesKeys.UserSigning.KeyId }));
        Assert.That(await MasterSignersAsync(_bob), Is.Empty);
        Assert.That(await MasterSignersAsync(carol), Is.Empty);
    }

    [Test]
    public async Task A_new_device_with_the_ID_of_one_that_has_ended_is_not_signed()
    {
        var laptop = await Server.LoginAsync(_alice.UserId, "LAPTOP");
        var key = await laptop.UploadIdentityAsync();
        NoFailures(await _alice.TrySignAsync(
            _alice.UserId, "LAPTOP", TestKeys.SignAnew(TestKeys.DeviceKeys(laptop, key), _alice.UserId, _alicesKeys.SelfSigning)));
        await laptop.LogoutAsync();
        var later = await Server.LoginAsync(_alice.UserId, "LAPTOP");
        await later.UploadIdentityAsync();

        var answer = await _bob.QueryAsync(_alice.UserId);
        Assert.That(
            Signers(answer.GetProperty("device_keys").GetProperty(_alice.UserId).GetProperty("LAPTOP"), _alice), Is.EqualTo(new[] { "ed25519:LAPTOP" }));
    }

    [Test]
    public async Task A_signature_that_is_not_right_is_a_failure_and_is_not_kept()
    {
        var keys = TestKeys.DeviceKeys(_alice, _alicesPhone);
        var wrong = TestKeys.SignAnew(keys, _alice.UserId, TestKeys.NewKey() with { KeyId = _alicesKeys.SelfSigning.KeyId });
        Failure(await _alice.TrySignAsync(_alice.UserId, "PHONE", wrong), "PHONE", "M_INVALID_SIGNATURE");

        // A key that is there, but not for this.
        var masters = TestKeys.SignAnew(keys, _alice.UserId, _alicesKeys.Master);
        Failure(await _alice.TrySignAsync(_alice.UserId, "PHONE", masters), "PHONE", "M_INVALID_SIGNATURE");

        var answer = await _alice.QueryAsync(_alice.UserId);
        Assert.That(
            Signers(answer.GetProperty("device_keys").GetProperty(_alice.UserId).GetProperty("PHONE"), _alice), Is.EqualTo(new[] { "ed25519:PHONE" }));
    }

    [Test]
    public async Task Other_content_than_what_is_known_is_a_failure()
    {
        var keys = TestKeys.DeviceKeys(_alice, _alicesPhone);
        keys["algorithms"] = new JsonArray("m.other");
        var signed = TestKeys.SignAnew(keys, _alice.UserId, _alicesKeys.SelfSigning);
        Failure(await _alice.TrySignAsync(_alice.UserId, "PHONE", signed), "PHONE", "M_INVALID_PARAM");
    }

    [Test]
    public async Task What_is_not_there_or_not_to_be_signed_is_a_failure_and_the_rest_is_kept()
    {
        await _bob.UploadIdentityAsync();
        var device = TestKeys.SignAnew(TestKeys.DeviceKeys(_alice, _alicesPhone), _alice.UserId, _alicesKeys.SelfSigning);
        var body = new JsonObject
        {
            [_alice.UserId] = new JsonObject { ["PHONE"] = device, ["NONE"] = device.DeepClone() },
            [_bob.UserId] = new JsonObject { ["LAPTOP"] = device.DeepClone() },
            ["@nobody:localhost"] = new JsonObject { ["x"] = device.DeepClone() },
            ["@x:elsewhere.example"] = new JsonObject { ["x"] = device.DeepClone() },
        };

        var failures = (await _alice.CallAsync("POST", "/keys/signatures/upload", body)).Ok().GetProperty("failures");

        Assert.That(failures.GetProperty(_alice.UserId).EnumerateObject().Select(target => target.Name), Is.EqualTo(new[] { "NONE" }));
        foreach (var userId in new[] { _bob.UserId, "@nobody:localhost", "@x:elsewhere.example" })
            Assert.That(failures.GetProperty(userId).EnumerateObject().Single().Value.String("errcode"), Is.EqualTo("M_NOT_FOUND"));
        var answer = await _bob.QueryAsync(_alice.UserId);
        Assert.That(IsSigned(answer.GetProperty("device_keys").GetProperty(_alice.UserId).GetProperty("PHONE"), _alicesKeys.SelfSigning), Is.True);
    }

    [Test]
    public async Task D10_what_is_no_user_ID_is_a_failure_of_its_own()
    {
        var failures = (await _alice.CallAsync("POST", "/keys/signatures/upload", """{"nobody":{"PHONE":{}}}""")).Ok().GetProperty("failures");
        Assert.That(failures.GetProperty("nobody").GetProperty("PHONE").String("errcode"), Is.EqualTo("M_NOT_FOUND"));
    }

    [TestCase("[]", "M_BAD_JSON")]
    [TestCase("""{"@a:localhost":[]}""", "M_BAD_JSON")]
    [TestCase("""{"@a:localhost":null}""", "M_BAD_JSON")]
    public async Task A_body_of_another_form_is_refused(string body, string errorCode) =>
        (await _alice.CallAsync("POST", "/keys/signatures/upload", body)).IsError(400, errorCode);

    private static void NoFailures(Reply reply) => Assert.That(reply.Ok().GetProperty("failures").EnumerateObject(), Is.Empty, reply.Text);

    private void Failure(Reply reply, string target, string errorCode) => Assert.That(
        reply.Ok().GetProperty("failures").GetProperty(_alice.UserId).GetProperty(target).String("errcode"), Is.EqualTo(errorCode));

    private static IEnumerable<string> Signers(JsonElement key, TestDevice of) =>
        key.GetProperty("signatures").GetProperty(of.UserId).EnumerateObject().Select(signature => signature.Name);

    private bool IsSigned(JsonElement key, SigningKey signer) =>
        SignedJson.IsSigned(key, _alice.UserId, signer.KeyId, UnpaddedBase64.Decode(signer.PublicKey()));

    private async Task<string[]> MasterSignersAsync(TestDevice asker)
    {
        var key = (await asker.QueryAsync(_bob.UserId)).GetProperty("master_keys").GetProperty(_bob.UserId);
        return key.Has("signatures") ? [.. Signers(key, _alice)] : [];
    }
}
