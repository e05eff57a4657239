using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LocalHomeserver.Tests;

internal sealed class KeyUploadTests(string store) : HomeserverTests(store)
{
    private TestDevice _phone = null!;

    [SetUp]
    public async Task Register() => _phone = await Server.RegisterAsync("PHONE");

    [Test]
    public async Task Uploaded_keys_are_counted_for_each_algorithm()
    {
        await _phone.UploadOneTimeKeysAsync("A", "B");
        var reply = await _phone.TryUploadAsync(oneTimeKeys: new() { ["curve25519:C"] = "3C5BFWi2Y8MaVvjM8M22DBmh24PmgR0nPvJOIArzgyI" });

        var counts = reply.Ok().GetProperty("one_time_key_counts");
        Assert.That(counts.GetProperty("signed_curve25519").GetInt64(), Is.EqualTo(2));
        Assert.That(counts.GetProperty("curve25519").GetInt64(), Is.EqualTo(1));
    }

    [Test]
    public async Task An_empty_upload_tells_how_many_keys_are_left() => Assert.That(
        (await _phone.TryUploadAsync()).Ok().GetProperty("one_time_key_counts").GetProperty("signed_curve25519").GetInt64(), Is.Zero);

    [Test]
    public async Task The_same_key_again_is_fine_and_counts_once()
    {
        var keys = new JsonObject { ["signed_curve25519:A"] = TestKeys.OneTimeKey(_phone, "value") };
        (await _phone.TryUploadAsync(oneTimeKeys: keys)).Ok();
        var again = (await _phone.TryUploadAsync(oneTimeKeys: keys)).Ok();

        Assert.That(again.GetProperty("one_time_key_counts").GetProperty("signed_curve25519").GetInt64(), Is.EqualTo(1));
    }

    [Test]
    public async Task A_key_that_no_EDU_could_hold_is_refused()
    {
        var keys = TestKeys.DeviceKeys(_phone, TestKeys.NewKey(_phone));
        keys["signatures"] = new JsonObject(
            Enumerable.Range(0, 5000).Select(n => KeyValuePair.Create<string, JsonNode?>($"@user-{n}:example.org", new JsonObject())));
        (await _phone.TryUploadAsync(keys)).IsError(413, "M_TOO_LARGE");

        var oneTime = new JsonObject { ["key"] = "A", ["pad"] = new string('x', 65_536) };
        (await _phone.TryUploadAsync(oneTimeKeys: new() { ["signed_curve25519:A"] = oneTime })).IsError(413, "M_TOO_LARGE");
    }

    [Test]
    public async Task A_device_has_a_thousand_keys_to_give_away_at_most()
    {
        (await _phone.TryUploadAsync(oneTimeKeys: Keys(0, 1001))).IsError(400, "M_INVALID_PARAM");
        (await _phone.TryUploadAsync(oneTimeKeys: Keys(0, 1000))).Ok();
        (await _phone.TryUploadAsync(oneTimeKeys: Keys(1000, 1))).IsError(400, "M_INVALID_PARAM");

        var counts = (await _phone.TryUploadAsync(oneTimeKeys: Keys(0, 1000))).Ok().GetProperty("one_time_key_counts");
        Assert.That(counts.GetProperty("curve25519").GetInt64(), Is.EqualTo(1000));

        static JsonObject Keys(int first, int count) => new(
            Enumerable.Range(first, count).Select(n => KeyValuePair.Create<string, JsonNode?>($"curve25519:{n}", "A")));
    }

    [Test]
    public async Task Another_value_for_a_one_time_key_is_refused_with_all_of_its_request()
    {
        await _phone.UploadOneTimeKeysAsync("A");
        var reply = await _phone.TryUploadAsync(oneTimeKeys: new()
        {
            ["signed_curve25519:B"] = TestKeys.OneTimeKey(_phone, "B"),
            ["signed_curve25519:A"] = TestKeys.OneTimeKey(_phone, "another"),
        });

        reply.IsError(400, "M_INVALID_PARAM");
        Assert.That((await _phone.SyncAsync()).Count(), Is.EqualTo(1));
        Assert.That(await _phone.ClaimAsync(_phone), Is.EqualTo("A"));
    }

    [Test]
    public async Task A_fallback_key_replaces_the_one_before_it_and_is_unused()
    {
        await _phone.UploadFallbackKeyAsync("OLD");
        await _phone.ClaimAsync(_phone);
        await _phone.UploadFallbackKeyAsync("NEW");

        Assert.That((await _phone.SyncAsync()).UnusedFallbackKeys(), Is.EqualTo(new[] { TestKeys.Algorithm }));
        Assert.That(await _phone.ClaimAsync(_phone), Is.EqualTo("NEW"));
    }

    [Test]
    public async Task A_used_fallback_key_that_is_uploaded_again_is_still_used()
    {
        var keys = new JsonObject { ["signed_curve25519:A"] = TestKeys.OneTimeKey(_phone, "value", isFallback: true) };
        (await _phone.TryUploadAsync(fallbackKeys: keys)).Ok();
        await _phone.ClaimAsync(_phone);
        (await _phone.TryUploadAsync(fallbackKeys: keys)).Ok();

        Assert.That((await _phone.SyncAsync()).UnusedFallbackKeys(), Is.Empty);
    }

    [Test]
    public async Task A_one_time_key_is_the_same_however_it_is_signed_and_written()
    {
        var plain = new JsonObject { ["signed_curve25519:A"] = "value" };
        var newest = TestKeys.OneTimeKey(_phone, "value");
        newest["more"] = new JsonArray(1);
        foreach (var key in (JsonObject[])[plain, new() { ["signed_curve25519:A"] = TestKeys.OneTimeKey(_phone, "value") }, new() { ["signed_curve25519:A"] = newest }])
        {
            var reply = (await _phone.TryUploadAsync(oneTimeKeys: key)).Ok();
            Assert.That(reply.GetProperty("one_time_key_counts").GetProperty("signed_curve25519").GetInt64(), Is.EqualTo(1));
        }

        (await _phone.TryUploadAsync(oneTimeKeys: new() { ["signed_curve25519:A"] = TestKeys.OneTimeKey(_phone, "other") })).IsError(400, "M_INVALID_PARAM");
        Assert.That(IsSame(await ClaimedAsync("signed_curve25519:A"), newest), Is.True, "The newest signature is given.");
        Assert.That(await _phone.ClaimAsync(_phone), Is.Null);
    }

    [TestCase("A")]
    [TestCase("B")]
    public async Task A_used_fallback_key_is_still_used_when_it_is_signed_anew_or_has_another_name(string keyId)
    {
        await UploadAsync("A", TestKeys.OneTimeKey(_phone, "value", isFallback: true));
        await _phone.ClaimAsync(_phone);

        var again = TestKeys.OneTimeKey(_phone, "value", isFallback: true);
        await UploadAsync(keyId, again);

        Assert.That((await _phone.SyncAsync()).UnusedFallbackKeys(), Is.Empty);
        Assert.That(IsSame(await ClaimedAsync($"signed_curve25519:{keyId}"), again), Is.True);

        await UploadAsync(keyId, TestKeys.OneTimeKey(_phone, "new", isFallback: true));
        Assert.That((await _phone.SyncAsync()).UnusedFallbackKeys(), Is.EqualTo(new[] { TestKeys.Algorithm }));

        async Task UploadAsync(string name, JsonObject key) =>
            (await _phone.TryUploadAsync(fallbackKeys: new() { [$"signed_curve25519:{name}"] = key.DeepClone() })).Ok();
    }

    [Test]
    public async Task An_unused_fallback_key_is_still_unused_when_it_is_signed_anew()
    {
        await _phone.UploadFallbackKeyAsync("A");
        await _phone.UploadFallbackKeyAsync("A");
        Assert.That((await _phone.SyncAsync()).UnusedFallbackKeys(), Is.EqualTo(new[] { TestKeys.Algorithm }));
    }

    [Test]
    public async Task R72_new_identity_keys_of_a_device_end_the_one_time_keys_of_its_old_ones()
    {
        await _phone.UploadIdentityAsync();
        await _phone.UploadOneTimeKeysAsync("A");
        await _phone.UploadFallbackKeyAsync("B");
        var again = await Server.LoginAsync(_phone.UserId, "PHONE");
        await again.UploadIdentityAsync();

        Assert.That(await again.ClaimAsync(again), Is.Null);
    }

    [Test]
    public async Task Identity_keys_with_another_signature_keep_the_one_time_keys()
    {
        var key = await _phone.UploadIdentityAsync();
        await _phone.UploadOneTimeKeysAsync("A");
        var signedTwice = TestKeys.DeviceKeys(_phone, key);
        SignedJson.Sign(signedTwice, _phone.UserId, TestKeys.NewKey());
        (await _phone.TryUploadAsync(signedTwice)).Ok();

        Assert.That(await _phone.ClaimAsync(_phone), Is.EqualTo("A"));
    }

    [Test]
    public async Task D6_an_upload_that_began_before_the_end_of_its_device_is_not_taken_for_a_later_one()
    {
        var keys = new JsonObject { ["signed_curve25519:A"] = TestKeys.OneTimeKey(_phone, "value") };
        var later = _phone;
        using var request = new HttpRequestMessage(HttpMethod.Post, Server.Url + "/_matrix/client/v3/keys/upload");
        request.Headers.Authorization = new("Bearer", _phone.Token);
        request.Headers.ExpectContinue = true;

        // The server asks for the body, so it knows the token by then.
        request.Content = new LateContent(new JsonObject { ["one_time_keys"] = keys }.ToJsonString(), async () =>
        {
            await _phone.LogoutAsync();
            later = await Server.LoginAsync(_phone.UserId, "PHONE");
        });
        using var http = new HttpClient(new SocketsHttpHandler { Expect100ContinueTimeout = TimeSpan.FromMinutes(1) });
        using var response = await http.SendAsync(request);

        (await Reply.ReadAsync(response)).IsError(401, "M_UNKNOWN_TOKEN");
        Assert.That(later, Is.Not.SameAs(_phone));
        Assert.That((await later.SyncAsync()).Count(), Is.Zero);
    }

    [TestCase("user_id", "\"@mallory:localhost\"", "M_INVALID_PARAM")]
    [TestCase("user_id", "7", "M_INVALID_PARAM")]
    [TestCase("device_id", "\"LAPTOP\"", "M_INVALID_PARAM")]
    [TestCase("algorithms", "\"m.olm\"", "M_BAD_JSON")]
    [TestCase("algorithms", "[1]", "M_BAD_JSON")]
    [TestCase("keys", "{\"ed25519:PHONE\":1}", "M_BAD_JSON")]
    [TestCase("keys", "{\"ed25519:PHONE\":\"\\ud800\"}", "M_BAD_JSON")]
    [TestCase("signatures", "{\"@a:b\":\"signed\"}", "M_BAD_JSON")]
    [TestCase("signatures", "null", "M_BAD_JSON")]
    [TestCase("extra", "1.5", "M_BAD_JSON")]
    [TestCase("extra", "{\"\\ud800\":1}", "M_BAD_JSON")]
    public async Task Identity_keys_are_the_callers_and_of_the_form_of_identity_keys(string member, string value, string errorCode)
    {
        var keys = TestKeys.DeviceKeys(_phone, TestKeys.NewKey(_phone));
        keys.Remove(member);
        var text = $"{{\"device_keys\":{keys.ToJsonString()[..^1]},\"{member}\":{value}}}}}";

        (await _phone.CallAsync("POST", "/keys/upload", text)).IsError(400, errorCode);
        Assert.That((await _phone.QueryAsync(_phone.UserId)).GetProperty("device_keys").GetProperty(_phone.UserId).EnumerateObject(), Is.Empty);
    }

    [TestCase("""{"one_time_keys":{"signed_curve25519":{"key":"a"}}}""", "M_INVALID_PARAM")]
    [TestCase("""{"one_time_keys":{":A":{"key":"a"}}}""", "M_INVALID_PARAM")]
    [TestCase("""{"one_time_keys":{"signed_curve25519:":{"key":"a"}}}""", "M_INVALID_PARAM")]
    [TestCase("""{"fallback_keys":{"a:b:c":{"key":"a"}}}""", "M_INVALID_PARAM")]
    [TestCase("""{"one_time_keys":{"signed_curve25519:A":7}}""", "M_BAD_JSON")]
    [TestCase("""{"one_time_keys":{"signed_curve25519:A":null}}""", "M_BAD_JSON")]
    [TestCase("""{"one_time_keys":{"signed_curve25519:A":{"key":7}}}""", "M_BAD_JSON")]
    [TestCase("""{"one_time_keys":{"signed_curve25519:A":{"key":"a","key":"b"}}}""", "M_BAD_JSON")]
    [TestCase("""{"one_time_keys":{"signed_curve25519:\ud800":{"key":"a"}}}""", "M_BAD_JSON")]
    [TestCase("""{"one_time_keys":[]}""", "M_BAD_JSON")]
    [TestCase("""{"device_keys":"none"}""", "M_INVALID_PARAM")]
    [TestCase("[]", "M_BAD_JSON")]
    [TestCase("{", "M_NOT_JSON")]
    public async Task What_is_not_of_the_form_of_keys_is_refused(string body, string errorCode)
    {
        (await _phone.CallAsync("POST", "/keys/upload", body)).IsError(400, errorCode);
        Assert.That((await _phone.SyncAsync()).Count(), Is.Zero);
    }

    [Test]
    public async Task Names_may_be_any_text()
    {
        var device = await Server.RegisterAsync("a\0b/:💥");
        await device.UploadIdentityAsync();
        await device.UploadOneTimeKeysAsync("x\0y");

        Assert.That(
            (await device.QueryAsync(device.UserId)).GetProperty("device_keys").GetProperty(device.UserId).Has(device.DeviceId), Is.True);
        Assert.That(await device.ClaimAsync(device), Is.EqualTo("x\0y"));
    }

    [TestCase("POST", "/keys/upload")]
    [TestCase("POST", "/keys/query")]
    [TestCase("POST", "/keys/claim")]
    [TestCase("GET", "/keys/changes?from=a&to=b")]
    [TestCase("POST", "/keys/device_signing/upload")]
    [TestCase("POST", "/keys/signatures/upload")]
    public async Task R9_R15_keys_need_a_token_and_are_under_both_prefixes(string method, string path)
    {
        (await Call(method, path, "{}")).IsError(401, "M_MISSING_TOKEN");
        (await Server.SendAsync(method, "/_matrix/client/r0" + path, "{}")).IsError(401, "M_MISSING_TOKEN");
    }

    /// <summary>A key of the phone, as somebody else gets it.</summary>
    private async Task<JsonElement> ClaimedAsync(string name)
    {
        var users = (await _phone.CallAsync("POST", "/keys/claim", new
        {
            one_time_keys = new Dictionary<string, object> { [_phone.UserId] = new { PHONE = TestKeys.Algorithm } },
        })).Ok().GetProperty("one_time_keys");
        return users.GetProperty(_phone.UserId).GetProperty("PHONE").GetProperty(name);
    }

    private static bool IsSame(JsonElement one, JsonObject other) => JsonElement.DeepEquals(one, JsonElement.Parse(other.ToJsonString()));

    /// <summary>A body that is sent when something else has been done first.</summary>
    private sealed class LateContent(string text, Func<Task> first) : HttpContent
    {
        private readonly byte[] _bytes = Encoding.UTF8.GetBytes(text);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await first();
            await stream.WriteAsync(_bytes);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = _bytes.Length;
            return true;
        }
    }
}
