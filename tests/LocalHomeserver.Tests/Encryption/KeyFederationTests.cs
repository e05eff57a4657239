using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Matrix.ToDevice;
using Matrix.ToDevice.Tests;

namespace LocalHomeserver.Tests;

/// <summary>Keys of another server's users: two homeservers that talk to each other, and a third one that is not there.</summary>
[TestFixture("memory")]
[TestFixture("sqlite")]
[TestFixture("postgresql", Category = "Slow")]
internal sealed class KeyFederationTests(string store)
{
    // Takes connections, and says nothing.
    private readonly TcpListener _silent = new(IPAddress.Loopback, 0);

    private Homeserver _hs1 = null!, _hs2 = null!;
    private TestDevice _alice = null!, _bob = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        _silent.Start();
        var hs2 = $"http://127.0.0.1:{LoopbackPort.Unused()}";
        _hs1 = await Homeserver.StartAsync(
            store, "--ServerName", "hs1.localhost", "--Federation:Peers:hs2.localhost:8448", hs2,
            "--Federation:Peers:hs3.localhost", $"http://127.0.0.1:{LoopbackPort.Unused()}",
            "--Federation:Peers:silent.localhost", $"http://{_silent.LocalEndpoint}");
        _hs2 = await Homeserver.StartAsync(
            store, "--ServerName", "hs2.localhost:8448", "--urls", hs2, "--Federation:Peers:hs1.localhost", _hs1.Url);
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        if (_hs1 is not null) await _hs1.DisposeAsync();
        if (_hs2 is not null) await _hs2.DisposeAsync();
        _silent.Dispose();
    }

    [SetUp]
    public async Task Register()
    {
        _alice = await _hs1.RegisterAsync("PHONE");
        _bob = await _hs2.RegisterAsync("LAPTOP");
    }

    [Test]
    public async Task A_query_gets_identity_and_cross_signing_keys_from_the_users_server()
    {
        var keys = TestKeys.DeviceKeys(_bob, TestKeys.NewKey(_bob));
        (await _bob.TryUploadAsync(keys)).Ok();
        var identity = await _bob.UploadCrossSigningAsync();

        var answer = await _alice.QueryAsync(_bob.UserId);

        var laptop = answer.GetProperty("device_keys").GetProperty(_bob.UserId).GetProperty("LAPTOP");
        Assert.That(JsonElement.DeepEquals(laptop.GetProperty("keys"), Element(keys["keys"]!)), Is.True);
        Assert.That(JsonElement.DeepEquals(laptop.GetProperty("signatures"), Element(keys["signatures"]!)), Is.True);
        Assert.That(answer.GetProperty("master_keys").GetProperty(_bob.UserId).GetProperty("keys").Has(identity.Master.KeyId), Is.True);
        Assert.That(answer.GetProperty("self_signing_keys").GetProperty(_bob.UserId).GetProperty("keys").Has(identity.SelfSigning.KeyId), Is.True);
        Assert.That(answer.GetProperty("user_signing_keys").EnumerateObject(), Is.Empty);
        Assert.That(answer.GetProperty("failures").EnumerateObject(), Is.Empty);
    }

    [Test]
    public async Task Claims_get_each_one_time_key_once_and_then_the_fallback_key()
    {
        await _bob.UploadOneTimeKeysAsync("A", "B");
        await _bob.UploadFallbackKeyAsync("F");

        var claimed = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => _alice.ClaimAsync(_bob)));

        Assert.That(claimed, Is.EquivalentTo(new[] { "A", "B", "F", "F" }));
        Assert.That((await _bob.SyncAsync()).UnusedFallbackKeys(), Is.Empty);
    }

    [Test]
    public async Task A_server_that_cannot_be_reached_is_a_failure_and_the_others_are_answered()
    {
        await _bob.UploadIdentityAsync();
        await _bob.UploadOneTimeKeysAsync("A");

        var query = await _alice.QueryAsync(_bob.UserId, "@carol:hs3.localhost", "@dave:hs4.localhost");
        Assert.That(query.GetProperty("device_keys").GetProperty(_bob.UserId).Has("LAPTOP"), Is.True);
        Assert.That(Failures(query), Is.EquivalentTo(new[] { "hs3.localhost", "hs4.localhost" }));

        var claim = (await _alice.CallAsync("POST", "/keys/claim", new
        {
            one_time_keys = new Dictionary<string, object>
            {
                [_bob.UserId] = new { LAPTOP = TestKeys.Algorithm },
                ["@carol:hs3.localhost"] = new { PHONE = TestKeys.Algorithm },
            },
        })).Ok();
        Assert.That(claim.GetProperty("one_time_keys").GetProperty(_bob.UserId).GetProperty("LAPTOP").Has($"{TestKeys.Algorithm}:A"), Is.True);
        Assert.That(Failures(claim), Is.EqualTo(new[] { "hs3.localhost" }));
    }

    [Test]
    public async Task A_server_that_does_not_answer_in_time_is_a_failure()
    {
        var body = new { device_keys = new Dictionary<string, string[]> { ["@carol:silent.localhost"] = [] }, timeout = 50 };
        Assert.That(Failures((await _alice.CallAsync("POST", "/keys/query", body)).Ok()), Is.EqualTo(new[] { "silent.localhost" }));
    }

    [Test]
    public async Task A_user_of_another_server_can_be_verified_and_only_who_has_done_so_sees_it()
    {
        var alices = await _alice.UploadCrossSigningAsync();
        var bobs = await _bob.UploadCrossSigningAsync();
        var signed = TestKeys.SignAnew(bobs.MasterKey, _alice.UserId, alices.UserSigning);

        var failures = (await _alice.TrySignAsync(_bob.UserId, bobs.Master.PublicKey(), signed)).Ok().GetProperty("failures");

        Assert.That(failures.EnumerateObject(), Is.Empty);
        var seen = (await _alice.QueryAsync(_bob.UserId)).GetProperty("master_keys").GetProperty(_bob.UserId);
        Assert.That(seen.GetProperty("signatures").GetProperty(_alice.UserId).Has(alices.UserSigning.KeyId), Is.True);
        var others = (await (await _hs1.RegisterAsync()).QueryAsync(_bob.UserId)).GetProperty("master_keys").GetProperty(_bob.UserId);
        Assert.That(others.Has("signatures"), Is.False);
    }

    [Test]
    public async Task The_list_of_a_users_devices_has_their_keys_and_a_version_that_grows_with_every_change()
    {
        var before = await ListAsync();
        var key = await _bob.UploadIdentityAsync();
        var identity = await _bob.UploadCrossSigningAsync();
        var after = await ListAsync();

        Assert.That(after.StreamId, Is.GreaterThan(before.StreamId));
        Assert.That(after.Devices.Single().Keys!["keys"]!["ed25519:LAPTOP"]!.GetValue<string>(), Is.EqualTo(key.PublicKey()));
        Assert.That(after.MasterKey!["keys"]![identity.Master.KeyId], Is.Not.Null);
        Assert.That(after.SelfSigningKey!["keys"]![identity.SelfSigning.KeyId], Is.Not.Null);
        Assert.That((await ListAsync()).StreamId, Is.EqualTo(after.StreamId));

        Task<UserDeviceList> ListAsync() => UserDeviceList.FetchAsync(_hs1.Federation, "hs2.localhost:8448", _bob.UserId, default);
    }

    /// <summary>Of each device the specification wants keys, which receivers rely on (decision 020).</summary>
    [Test]
    public async Task A_device_without_keys_is_not_in_the_list_of_a_users_devices()
    {
        await _hs2.LoginAsync(_bob.UserId, "TABLET");
        Assert.That((await ListAsync()).GetArrayLength(), Is.Zero);

        await _bob.UploadIdentityAsync();
        var device = (await ListAsync()).EnumerateArray().Single();
        Assert.That(device.String("device_id"), Is.EqualTo("LAPTOP"));
        Assert.That(device.GetProperty("keys").String("device_id"), Is.EqualTo("LAPTOP"));

        async Task<JsonElement> ListAsync() => (await _hs1.Federation.SendAsync(
            HttpMethod.Get, "hs2.localhost:8448", $"/_matrix/federation/v1/user/devices/{_bob.UserId}", content: null, default)).GetProperty("devices");
    }

    [Test]
    public void A_user_ID_in_another_case_is_nobodys()
    {
        var uri = $"/_matrix/federation/v1/user/devices/{_bob.UserId.Replace("@user", "@User", StringComparison.Ordinal)}";
        var error = Assert.ThrowsAsync<FederationException>(
            () => _hs1.Federation.SendAsync(HttpMethod.Get, "hs2.localhost:8448", uri, content: null, default));
        Assert.That((error!.StatusCode, error.ErrorCode), Is.EqualTo((404, "M_NOT_FOUND")));
    }

    [Test]
    public async Task Every_change_of_a_user_whose_keys_were_asked_for_is_told_to_the_server_that_asked()
    {
        await _bob.UploadIdentityAsync();
        await _alice.QueryAsync(_bob.UserId);
        var tablet = await _hs2.LoginAsync(_bob.UserId, "TABLET");
        var since = (await _alice.SyncAsync()).NextBatch;
        foreach (var change in (Func<Task>[])
            [tablet.UploadIdentityAsync, _bob.UploadCrossSigningAsync, tablet.LogoutAsync, () => _hs2.LoginAsync(_bob.UserId, "WATCH")])
        {
            await change();
            since = await ToldAsync(since);
        }

        // Each change is a request of its own, and one of them may be on its way still: so only that it comes is certain.
        async Task<string> ToldAsync(string from)
        {
            while (true)
            {
                var sync = await _alice.SyncAsync(from, timeout: 600_000);
                if (sync.Changed().Contains(_bob.UserId)) return sync.NextBatch;
                from = sync.NextBatch;
            }
        }
    }

    [Test]
    public async Task A_message_to_another_server_has_its_user_told_about_the_senders_devices()
    {
        var since = (await _bob.SyncAsync()).NextBatch;
        await _alice.SendAsync(_bob, "hello");
        while (true)
        {
            var sync = await _bob.SyncAsync(since, timeout: 600_000);
            since = sync.NextBatch;
            if (sync.Texts.Contains("hello")) break;
        }

        await _alice.UploadIdentityAsync();

        Assert.That((await _bob.SyncAsync(since, timeout: 600_000)).Changed(), Is.EqualTo(new[] { _alice.UserId }));
    }

    [TestCase("m.device_list_update")]
    [TestCase("m.signing_key_update")]
    public async Task A_server_speaks_for_its_own_users_only(string eduType)
    {
        var carol = await _hs1.RegisterAsync("PHONE");
        await _alice.QueryAsync(carol.UserId);
        await _alice.SendAsync(_bob, "hello");
        var since = (await _alice.SyncAsync()).NextBatch;

        await SendAsync(carol.UserId);
        await SendAsync("@dave:hs3.localhost");
        await SendAsync("nonsense");
        await SendAsync(null);
        Assert.That((await _alice.SyncAsync(since)).Changed(), Is.Empty);

        await SendAsync(_bob.UserId);
        Assert.That((await _alice.SyncAsync(since)).Changed(), Is.EqualTo(new[] { _bob.UserId }));

        Task SendAsync(string? userId) => _hs2.Federation.SendTransactionAsync(
            "hs1.localhost", $"{Guid.NewGuid():N}",
            CanonicalJson.Encode(Element(new JsonObject
            {
                ["origin"] = "hs2.localhost:8448",
                ["origin_server_ts"] = 1,
                ["pdus"] = new JsonArray(),
                ["edus"] = new JsonArray(new JsonObject
                {
                    ["edu_type"] = eduType,
                    ["content"] = userId is null ? "nothing" : new JsonObject { ["user_id"] = userId, ["device_id"] = "PHONE" },
                }),
            })),
            default);
    }

    [Test]
    public async Task A_server_tells_about_its_own_users_only()
    {
        var carol = await _hs1.RegisterAsync("PHONE");
        await carol.UploadIdentityAsync();
        var users = new JsonObject { [carol.UserId] = new JsonArray(), [_bob.UserId] = new JsonArray(), ["@nobody:hs2.localhost:8448"] = new JsonArray() };
        var answer = await AskAsync("query", new JsonObject { ["device_keys"] = users }.ToJsonString());

        Assert.That(
            answer.GetProperty("device_keys").EnumerateObject().Select(user => user.Name),
            Is.EquivalentTo(new[] { _bob.UserId, "@nobody:hs2.localhost:8448" }));
        Assert.That(answer.Has("user_signing_keys"), Is.False);
        Assert.That(answer.Has("failures"), Is.False);
    }

    [Test]
    public async Task D10_what_is_no_user_ID_is_left_out_and_the_others_are_answered()
    {
        await _bob.UploadIdentityAsync();
        await _bob.UploadOneTimeKeysAsync("A");
        var queried = await AskAsync("query", $$$"""{"device_keys":{"nobody":[],"{{{_bob.UserId}}}":[]}}""");
        var claimed = await AskAsync("claim", $$$$"""{"one_time_keys":{"nobody":{"LAPTOP":"signed_curve25519"},"{{{{_bob.UserId}}}}":{"LAPTOP":"signed_curve25519"}}}""");

        foreach (var users in new[] { queried.GetProperty("device_keys"), claimed.GetProperty("one_time_keys") })
            Assert.That(users.EnumerateObject().Select(user => user.Name), Is.EqualTo(new[] { _bob.UserId }));
    }

    [TestCase("query", "{}", "M_MISSING_PARAM")]
    [TestCase("query", """{"device_keys":7}""", "M_BAD_JSON")]
    [TestCase("query", """{"device_keys":{"@a:hs2.localhost:8448":null}}""", "M_BAD_JSON")]
    [TestCase("query", null, "M_BAD_JSON")]
    [TestCase("claim", "{}", "M_MISSING_PARAM")]
    [TestCase("claim", """{"one_time_keys":{"@a:hs2.localhost:8448":{"PHONE":7}}}""", "M_BAD_JSON")]
    [TestCase("claim", null, "M_BAD_JSON")]
    public void A_question_of_another_form_is_refused(string what, string? body, string errorCode)
    {
        var error = Assert.ThrowsAsync<FederationException>(() => AskAsync(what, body));
        Assert.That((error!.StatusCode, error.ErrorCode), Is.EqualTo((400, errorCode)));
    }

    [TestCase("query")]
    [TestCase("claim")]
    public async Task A_question_that_is_not_signed_is_refused(string what) =>
        (await _hs2.SendAsync("POST", $"/_matrix/federation/v1/user/keys/{what}", "{}")).IsError(401, "M_UNAUTHORIZED");

    private static IEnumerable<string> Failures(JsonElement answer) =>
        answer.GetProperty("failures").EnumerateObject().Select(failure => failure.Name);

    private static JsonElement Element(JsonNode json) => JsonElement.Parse(json.ToJsonString());

    private Task<JsonElement> AskAsync(string what, string? body) => _hs1.Federation.SendAsync(
        HttpMethod.Post, "hs2.localhost:8448", $"/_matrix/federation/v1/user/keys/{what}", body is null ? null : JsonElement.Parse(body), default);
}
