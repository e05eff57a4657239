using System.Text.Json;
using System.Text.Json.Nodes;

namespace LocalHomeserver.Tests;

/// <summary>
/// Another server answers about keys whatever it likes. That hurts one device or one user, or the server is named as a failure; never
/// the keys of a user of this server, and never does it look as if somebody had no devices.
/// </summary>
internal sealed class PeerKeyTests
{
    private const string Bob = $"@bob:{FakePeer.Name}";
    private const string Carol = $"@carol:{FakePeer.Name}";
    private const string Query = "/_matrix/federation/v1/user/keys/query";
    private const string Claim = "/_matrix/federation/v1/user/keys/claim";

    private static readonly SigningKey s_master = TestKeys.NewKey(), s_selfSigning = TestKeys.NewKey();
    private static readonly string s_good = DeviceKeys("GOOD");

    private FakePeer _peer = null!;
    private Homeserver _server = null!;
    private TestDevice _alice = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        _peer = await FakePeer.StartAsync();
        _server = await Homeserver.StartAsync("memory", "--ServerName", "hs1.localhost", $"--Federation:Peers:{FakePeer.Name}", _peer.Url);
        _alice = await _server.RegisterAsync("PHONE");
        await _alice.UploadIdentityAsync();
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        if (_server is not null) await _server.DisposeAsync();
        if (_peer is not null) await _peer.DisposeAsync();
    }

    private static IEnumerable<TestCaseData> BadDevices()
    {
        yield return Device("half a surrogate in its ID", "R\\ud800", DeviceKeys("R\\ud800"));
        yield return Device("half a surrogate in a long ID", "\\udc00xxxxxxxxxxxxxxxxxxxxxxxx", DeviceKeys("\\udc00xxxxxxxxxxxxxxxxxxxxxxxx"));
        yield return Device("another device's ID", "BAD", DeviceKeys("OTHER"));
        yield return Device("another user's ID", "BAD", DeviceKeys("BAD").Replace(Bob, Carol, StringComparison.Ordinal));
        yield return Device("no ID", "", DeviceKeys(""));
        yield return Device("the ID of all devices", "*", DeviceKeys("*"));
        yield return Device("a long ID", new string('x', 300), DeviceKeys(new string('x', 300)));
        yield return Device("an ID with a NUL", "B\\u0000", DeviceKeys("B\\u0000"));
        yield return Device("an ID with an escape", "B\\u001b", DeviceKeys("B\\u001b"));
        foreach (var value in (string[])["null", "[]", "7", "\"BAD\"", "{}", "true"]) yield return Device($"{value} for keys", "BAD", value);
        foreach (var value in (string[])["null", "{}", "[7]", "\"m.olm\"", "[\"\\ud800\"]"]) yield return Device($"algorithms {value}", "BAD", With("algorithms", value));
        foreach (var value in (string[])["null", "[]", "{\"a\":7}", "{\"a\":null}", "{\"\\ud800\":\"x\"}"]) yield return Device($"keys {value}", "BAD", With("keys", value));
        foreach (var value in (string[])["null", "[]", "{\"a\":7}", "{\"a\":{\"b\":7}}", "{\"\\ud800\":{}}", "{\"a\":{\"\\udc00\":\"x\"}}"])
            yield return Device($"signatures {value}", "BAD", With("signatures", value));
        foreach (var missing in (string[])["user_id", "device_id", "algorithms", "keys", "signatures"]) yield return Device($"no {missing}", "BAD", With(missing, null));
        foreach (var (what, value) in ((string, string)[])[
            ("half a surrogate", "\"\\ud83d\""), ("half a surrogate in a name", "{\"\\ud83d\":1}"), ("a depth of 100", Nested(100)), ("a depth of 500", Nested(500)),
            ("a fraction", "1.5"), ("a key twice", "{\"a\":1,\"a\":2}"), ("half a surrogate deep in a name", "[[{\"x\":{\"xxxxxxxxxxxxxxxxxx\\ud800\":1}}]]")])
        {
            yield return Device($"{what} in it", "BAD", With("more", value));
        }

        yield return Device("its ID twice", "BAD", DeviceKeys("BAD") + ",\"BAD\":" + DeviceKeys("BAD"));

        static TestCaseData Device(string what, string name, string keys) => new TestCaseData($"\"{name}\":{keys}").SetArgDisplayNames(what);

        static string With(string member, string? value) => DeviceKeys("BAD", member, value);
    }

    [TestCaseSource(nameof(BadDevices))]
    public async Task A_bad_device_is_left_out_and_the_others_are_there(string device)
    {
        var keys = await QueryAsync(Answer((Bob, $"{{{device},\"GOOD\":{s_good}}}"), (Carol, "{}")));

        Assert.That(Devices(keys, Bob), Is.EqualTo(new[] { "GOOD" }));
        Assert.That(Devices(keys, Carol), Is.Empty);
        Assert.That(Failures(keys), Is.Empty);
    }

    [TestCaseSource(nameof(BadDevices))]
    public async Task A_user_all_of_whose_devices_are_bad_is_not_one_without_devices(string device)
    {
        var keys = await QueryAsync(Answer((Bob, $"{{{device}}}"), (Carol, Object(("GOOD", s_good.Replace(Bob, Carol, StringComparison.Ordinal))))));

        Assert.That(Devices(keys, Bob), Is.Null);
        Assert.That(Devices(keys, Carol), Is.EqualTo(new[] { "GOOD" }));
        Assert.That(Failures(keys), Is.EqualTo(new[] { FakePeer.Name }));
    }

    private static IEnumerable<TestCaseData> UnusableAnswers()
    {
        foreach (var answer in (string[])["{}", "[]", "null", "7", "\"x\"", "", "<html>", "{", "{\"device_keys\":{}}{}"]) yield return Case(answer, answer);
        foreach (var value in (string[])["null", "[]", "7", "\"x\"", "{}"]) yield return Case($"device_keys {value}", Object(("device_keys", value)));
        foreach (var value in (string[])["null", "[]", "7", "\"x\""]) yield return Case($"{value} for a user", Answer((Bob, value), (Carol, value)));
        var good = Object((Bob, Object(("GOOD", s_good))), (Carol, "{}"));
        yield return Case("a name of a member with half a surrogate", Object(("device_keys\\ud800", good)));
        yield return Case("its members twice", Object(("device_keys", good), ("device_keys", good)));
        yield return Case("its users twice", Answer((Bob, "{}"), (Carol, "{}"), (Bob, "{}"), (Carol, "{}")));
        yield return Case("other users", Answer(($"@dave:{FakePeer.Name}", Object(("GOOD", s_good))), ("\\ud800", "{}")));
        yield return Case("a depth of 5,000", Object(("device_keys", good), ("more", Nested(5000))));
        yield return Case("11 MB", Object(("device_keys", good), ("more", $"\"{new string('x', 11 << 20)}\"")));

        static TestCaseData Case(string what, string answer) => new TestCaseData(answer).SetArgDisplayNames(what);
    }

    [TestCaseSource(nameof(UnusableAnswers))]
    public async Task An_answer_that_cannot_be_used_is_a_failure(string answer)
    {
        var keys = await QueryAsync(answer);

        Assert.That((Devices(keys, Bob), Devices(keys, Carol)), Is.EqualTo(((string[]?)null, (string[]?)null)));
        Assert.That(keys.GetProperty("device_keys").EnumerateObject().Select(user => user.Name), Is.EqualTo(new[] { _alice.UserId }));
        Assert.That(Failures(keys), Is.EqualTo(new[] { FakePeer.Name }));
    }

    [Test]
    public async Task What_else_is_in_an_answer_does_not_matter()
    {
        var users = Object(
            (_alice.UserId, Object(("PHONE", "{}"), ("EVIL", s_good))), ("\\udc00", "null"), (Bob, Object(("GOOD", s_good))), (Carol, "{}"));
        var keys = await QueryAsync(Object(
            ("\\ud800xxxxxxxxxxxxxx", "1"), ("more", Nested(400)), ("master_keys", "null"), ("self_signing_keys", "[]"), ("user_signing_keys", "7"),
            ("failures", "{\"x\":1}"), ("device_keys", users)));

        Assert.That(Devices(keys, Bob), Is.EqualTo(new[] { "GOOD" }));
        Assert.That(Failures(keys), Is.Empty);
    }

    [Test]
    public async Task A_server_is_believed_about_its_own_users_only()
    {
        const string Dave = "@dave:hs4.localhost";
        var ofOthers = (string[])[Dave, _alice.UserId];
        _peer.Answers[Query] = Object(
            ("device_keys", Object([(Bob, Object(("GOOD", s_good))), .. ofOthers.Select(userId => (userId, Object(("EVIL", s_good.Replace(Bob, userId, StringComparison.Ordinal).Replace("GOOD", "EVIL", StringComparison.Ordinal)))))])),
            ("master_keys", Object([.. ofOthers.Select(userId => (userId, TestKeys.CrossSigningKey(userId, "master", s_master).ToJsonString()))])));
        var keys = await _alice.QueryAsync(Bob, _alice.UserId, Dave);
        Assert.That(Devices(keys, Bob), Is.EqualTo(new[] { "GOOD" }));
        Assert.That(Devices(keys, _alice.UserId), Is.EqualTo(new[] { "PHONE" }));
        Assert.That(Devices(keys, Dave), Is.Null);
        Assert.That(keys.GetProperty("master_keys").EnumerateObject(), Is.Empty);
        Assert.That(Failures(keys), Is.EqualTo(new[] { "hs4.localhost" }));

        const string Evil = """{"signed_curve25519:E":{"key":"evil"}}""";
        _peer.Answers[Claim] = Object(("one_time_keys", Object(
            [(Bob, Object(("GOOD", Evil))), .. ofOthers.Select(userId => (userId, Object(("PHONE", Evil), ("EVIL", Evil))))])));
        var claimed = (await _alice.CallAsync("POST", "/keys/claim", new
        {
            one_time_keys = ofOthers.Append(Bob).ToDictionary(userId => userId, _ => new { PHONE = TestKeys.Algorithm, GOOD = TestKeys.Algorithm }),
        })).Ok();
        Assert.That(claimed.GetProperty("one_time_keys").EnumerateObject().Select(user => user.Name), Is.EqualTo(new[] { Bob }));
    }

    private static IEnumerable<TestCaseData> BadMasterKeys()
    {
        var good = TestKeys.CrossSigningKey(Bob, "master", s_master).ToJsonString();
        foreach (var value in (string[])["null", "[]", "7", "\"x\"", "{}"]) yield return Key(value, value);
        yield return Key("another user's", TestKeys.CrossSigningKey(Carol, "master", s_master).ToJsonString());
        yield return Key("another usage", TestKeys.CrossSigningKey(Bob, "self_signing", s_master).ToJsonString());
        yield return Key("half a surrogate in a name", Object(("user_id", $"\"{Bob}\""), ("usage", "[\"master\"]"), ("keys", "{\"ed25519:\\ud800\":\"x\"}")));
        yield return Key("half a surrogate in a value", good.Insert(1, "\"more\":\"\\ud800\","));
        yield return Key("a key twice", good.Insert(1, "\"usage\":[\"master\"],"));
        yield return Key("a depth of 100", good.Insert(1, $"\"more\":{Nested(100)},"));
        yield return Key("signatures of another form", good.Insert(1, "\"signatures\":{\"a\":7},"));

        static TestCaseData Key(string what, string key) => new TestCaseData(key).SetArgDisplayNames(what);
    }

    [TestCaseSource(nameof(BadMasterKeys))]
    public async Task A_bad_master_key_is_left_out_with_what_it_would_vouch_for(string key)
    {
        var selfSigning = TestKeys.CrossSigningKey(Bob, "self_signing", s_selfSigning, s_master).ToJsonString();
        var keys = await QueryAsync(Object(
            ("device_keys", Object((Bob, Object(("GOOD", s_good))), (Carol, "{}"))),
            ("master_keys", Object((Bob, key))), ("self_signing_keys", Object((Bob, selfSigning)))));

        Assert.That(Devices(keys, Bob), Is.EqualTo(new[] { "GOOD" }));
        Assert.That(keys.GetProperty("master_keys").Has(Bob), Is.False);
        Assert.That(keys.GetProperty("self_signing_keys").Has(Bob), Is.False);
        Assert.That(Failures(keys), Is.Empty);
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task A_self_signing_key_is_one_that_the_master_key_has_signed(bool isSigned)
    {
        var master = TestKeys.CrossSigningKey(Bob, "master", s_master).ToJsonString();
        var selfSigning = TestKeys.CrossSigningKey(Bob, "self_signing", s_selfSigning, isSigned ? s_master : s_selfSigning).ToJsonString();
        var keys = await QueryAsync(Object(
            ("device_keys", Object((Bob, "{}"), (Carol, "{}"))),
            ("master_keys", Object((Bob, master))), ("self_signing_keys", Object((Bob, selfSigning)))));

        Assert.That(keys.GetProperty("master_keys").Has(Bob), Is.True);
        Assert.That(keys.GetProperty("self_signing_keys").Has(Bob), Is.EqualTo(isSigned));
    }

    [TestCase("""{"device_display_name":"Bob's"}""", """{"device_display_name":"Bob's"}""")]
    [TestCase("""{"device_display_name":7,"more":1}""", "{}")]
    [TestCase("[]", "{}")]
    [TestCase(null, "{}")]
    public async Task What_is_unsigned_is_the_devices_name_or_nothing(string? said, string told)
    {
        var keys = await QueryAsync(Answer((Bob, Object(("GOOD", DeviceKeys("GOOD", "unsigned", said)))), (Carol, "{}")));

        var unsigned = keys.GetProperty("device_keys").GetProperty(Bob).GetProperty("GOOD").GetProperty("unsigned");
        Assert.That(unsigned.GetRawText().Replace("\\u0027", "'", StringComparison.Ordinal), Is.EqualTo(told));
    }

    private static IEnumerable<TestCaseData> BadClaims()
    {
        foreach (var value in (string[])["null", "[]", "7", "\"x\"", "{}"]) yield return Keys(value, value);
        foreach (var value in (string[])["null", "[]", "7", "{}", "{\"key\":7}", "{\"key\":\"\\ud800\"}", "{\"key\":\"x\",\"\\ud800\":1}", "{\"key\":\"x\",\"key\":\"y\"}", Nested(100)])
            yield return Keys($"the key {value[..Math.Min(value.Length, 40)]}", $"{{\"{TestKeys.Algorithm}:A\":{value}}}");
        yield return Keys("another algorithm", """{"curve25519:A":"x"}""");
        yield return Keys("a name without an ID", """{"signed_curve25519":"x"}""");
        yield return Keys("a name with half a surrogate", """{"signed_curve25519:\ud800":"x"}""");
        yield return Keys("a long name", $$"""{"signed_curve25519:{{new string('x', 300)}}":"x"}""");

        static TestCaseData Keys(string what, string keys) => new TestCaseData(keys).SetArgDisplayNames(what);
    }

    [TestCaseSource(nameof(BadClaims))]
    public async Task A_bad_one_time_key_is_left_out_and_the_others_are_there(string keys)
    {
        await _alice.UploadOneTimeKeysAsync("A");
        var ofBob = Object(
            ("BAD", keys), ("GOOD", """{"signed_curve25519:G":{"key":"g"}}"""), ("UNASKED", """{"signed_curve25519:U":"u"}"""), ("\\ud800", "{}"));
        _peer.Answers[Claim] = Object(("one_time_keys", Object((Bob, ofBob), ("\\ud800", "1"))));
        var claimed = await ClaimAsync();

        var keysOfBob = claimed.GetProperty("one_time_keys").GetProperty(Bob);
        Assert.That(keysOfBob.GetRawText(), Is.EqualTo("""{"GOOD":{"signed_curve25519:G":{"key":"g"}}}"""));
        Assert.That(Failures(claimed), Is.Empty);
    }

    [TestCase("{}")]
    [TestCase("[]")]
    [TestCase("null")]
    [TestCase("<html>")]
    [TestCase("""{"one_time_keys":null}""")]
    [TestCase("""{"one_time_keys":[]}""")]
    [TestCase("""{"one_time_keys":{},"one_time_keys":{}}""")]
    [TestCase($$$"""{"one_time_keys":{"{{{Bob}}}":null}}""")]
    [TestCase($$$"""{"one_time_keys":{"{{{Bob}}}":[]}}""")]
    public async Task An_answer_to_a_claim_that_cannot_be_used_is_a_failure(string answer)
    {
        await _alice.UploadOneTimeKeysAsync("A");
        _peer.Answers[Claim] = answer;
        Assert.That(Failures(await ClaimAsync()), Is.EqualTo(new[] { FakePeer.Name }));
    }

    [Test]
    public async Task A_user_who_has_no_key_left_is_no_failure()
    {
        await _alice.UploadOneTimeKeysAsync("A");
        _peer.Answers[Claim] = """{"one_time_keys":{}}""";
        var claimed = await ClaimAsync();
        Assert.That(Failures(claimed), Is.Empty);
        Assert.That(claimed.GetProperty("one_time_keys").Has(Bob), Is.False);
    }

    // In a list, a device may have no keys; and one that is there twice is there once.
    private static IEnumerable<TestCaseData> BadDevicesOfAList() => BadDevices().Where(one => one.Arguments[0] is string device
        && !device.EndsWith(":null", StringComparison.Ordinal) && !device.Contains(",\"BAD\"", StringComparison.Ordinal));

    [TestCaseSource(nameof(BadDevicesOfAList))]
    public async Task A_bad_device_in_a_list_is_left_out_and_the_others_are_there(string device)
    {
        var name = device[..device.IndexOf(':', StringComparison.Ordinal)];
        var bad = Object(("device_id", name), ("keys", device[(name.Length + 1)..]));
        var good = Object(("device_id", "\"GOOD\""), ("device_display_name", "7"), ("keys", s_good));
        _peer.Answers[UserDevices] = Object(
            ("user_id", $"\"{Bob}\""), ("stream_id", "5"), ("\\ud800", "1"), ("master_key", "{}"), ("self_signing_key", "7"),
            ("devices", $"[{bad},{good},{Object(("device_id", "\"NEW\""))},7,null,[],{{}}]"));

        var list = await UserDeviceList.FetchAsync(_server.Federation, FakePeer.Name, Bob, default);

        Assert.That(list.Devices.Select(one => (one.DeviceId, one.Keys is not null)), Is.EqualTo(new[] { ("GOOD", true), ("NEW", false) }));
        Assert.That((list.MasterKey, list.SelfSigningKey), Is.EqualTo(((JsonObject?)null, (JsonObject?)null)));
    }

    [TestCase("{}")]
    [TestCase("[]")]
    [TestCase("null")]
    [TestCase("""{"user_id":"@carol:hs2.localhost","stream_id":5,"devices":[]}""")]
    [TestCase("""{"user_id":"@bob:hs2.localhost","stream_id":"5","devices":[]}""")]
    [TestCase("""{"user_id":"@bob:hs2.localhost","stream_id":1.5,"devices":[]}""")]
    [TestCase("""{"user_id":"@bob:hs2.localhost","stream_id":5}""")]
    [TestCase("""{"user_id":"@bob:hs2.localhost","stream_id":5,"devices":null}""")]
    [TestCase("""{"user_id":"@bob:hs2.localhost","stream_id":5,"devices":{}}""")]
    [TestCase("""{"user_id":"@bob:hs2.localhost","stream_id":5,"devices":[7]}""")]
    [TestCase("""{"user_id":"@bob:hs2.localhost","stream_id":5,"devices":[],"devices":[]}""")]
    [TestCase("""{"user_id":"\ud800","stream_id":5,"devices":[]}""")]
    public void A_list_of_devices_that_cannot_be_used_is_a_failure(string answer)
    {
        _peer.Answers[UserDevices] = answer;
        var error = Assert.ThrowsAsync<FederationException>(() => UserDeviceList.FetchAsync(_server.Federation, FakePeer.Name, Bob, default));
        Assert.That(error!.Message, Does.Contain("something else than was asked for"));
    }

    [Test]
    public async Task An_error_code_of_a_peer_is_passed_on_only_when_it_is_short()
    {
        // That path is not there: its answer has no error code at all.
        _peer.Answers.TryRemove(Query, out _);
        var keys = await AskAsync();
        Assert.That(keys.GetProperty("failures").GetProperty(FakePeer.Name).String("errcode"), Is.EqualTo("M_UNKNOWN"));
    }

    private static string UserDevices => $"/_matrix/federation/v1/user/devices/{Bob}";

    private static string Nested(int depth) => new string('[', depth) + new string(']', depth);

    /// <summary>The identity keys of a device of Bob's, as JSON; with another value of a member, or without it.</summary>
    private static string DeviceKeys(string deviceId, string? member = null, string? value = null)
    {
        var members = new Dictionary<string, string>
        {
            ["user_id"] = $"\"{Bob}\"",
            ["device_id"] = $"\"{deviceId}\"",
            ["algorithms"] = "[\"m.olm.v1.curve25519-aes-sha2\"]",
            ["keys"] = $"{{\"ed25519:{deviceId}\":\"3C5BFWi2Y8MaVvjM8M22DBmh24PmgR0nPvJOIArzgyI\"}}",
            ["signatures"] = $"{{\"{Bob}\":{{\"ed25519:{deviceId}\":\"AAAA\"}}}}",
        };
        if (member is not null) members.Remove(member);
        if (member is not null && value is not null) members[member] = value;
        return Object([.. members.Select(one => (one.Key, one.Value))]);
    }

    /// <summary>A JSON object, however its members are.</summary>
    private static string Object(params (string Name, string Json)[] members) =>
        $"{{{string.Join(",", members.Select(member => $"\"{member.Name}\":{member.Json}"))}}}";

    /// <summary>An answer about users.</summary>
    private static string Answer(params (string UserId, string Devices)[] users) => Object(("device_keys", Object(users)));

    private static string[]? Devices(JsonElement keys, string userId) => keys.GetProperty("device_keys").TryGetProperty(userId, out var devices)
        ? [.. devices.EnumerateObject().Select(device => device.Name)]
        : null;

    private static string[] Failures(JsonElement answer) => [.. answer.GetProperty("failures").EnumerateObject().Select(failure => failure.Name)];

    /// <summary>What the server tells about Bob, Carol and Alice when the peer answers this; of Alice it always tells everything.</summary>
    private Task<JsonElement> QueryAsync(string answer)
    {
        _peer.Answers[Query] = answer;
        return AskAsync();
    }

    private async Task<JsonElement> AskAsync()
    {
        var keys = await _alice.QueryAsync(Bob, _alice.UserId, Carol);
        Assert.That(Devices(keys, _alice.UserId), Is.EqualTo(new[] { "PHONE" }));
        Assert.That(keys.GetProperty("device_keys").GetProperty(_alice.UserId).GetProperty("PHONE").Has("algorithms"), Is.True);
        return keys;
    }

    /// <summary>Claims from two of Bob's devices, and from Alice's, which has a key.</summary>
    private async Task<JsonElement> ClaimAsync()
    {
        var claimed = (await _alice.CallAsync("POST", "/keys/claim", new
        {
            one_time_keys = new Dictionary<string, object>
            {
                [Bob] = new { BAD = TestKeys.Algorithm, GOOD = TestKeys.Algorithm },
                [_alice.UserId] = new { PHONE = TestKeys.Algorithm },
            },
        })).Ok();
        Assert.That(claimed.GetProperty("one_time_keys").GetProperty(_alice.UserId).GetProperty("PHONE").Has($"{TestKeys.Algorithm}:A"), Is.True);
        return claimed;
    }
}
