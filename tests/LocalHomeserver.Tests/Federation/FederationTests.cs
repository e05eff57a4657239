using System.Net;
using System.Text.Json;
using Matrix.ToDevice.Tests;

namespace LocalHomeserver.Tests;

/// <summary>Two homeservers that talk to each other.</summary>
[TestFixture("memory")]
[TestFixture("sqlite")]
[TestFixture("postgresql", Category = "Slow")]
internal sealed class FederationTests(string store)
{
    private Homeserver _hs1 = null!;
    private Homeserver _hs2 = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        var hs2 = $"http://127.0.0.1:{LoopbackPort.Unused()}";
        _hs1 = await Homeserver.StartAsync(store, "--ServerName", "hs1.localhost", "--Federation:Peers:hs2.localhost:8448", hs2);
        _hs2 = await Homeserver.StartAsync(
            store, "--ServerName", "hs2.localhost:8448", "--urls", hs2, "--Federation:Peers:hs1.localhost", _hs1.Url);
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        if (_hs1 is not null) await _hs1.DisposeAsync();
        if (_hs2 is not null) await _hs2.DisposeAsync();
    }

    [Test]
    public async Task They_ask_each_other_for_devices()
    {
        await AskAsync(_hs1, "hs2.localhost:8448", _hs2);
        await AskAsync(_hs2, "hs1.localhost", _hs1);

        static async Task AskAsync(Homeserver asking, string serverName, Homeserver asked)
        {
            var phone = await asked.RegisterAsync("PHONE");
            foreach (var device in new[] { phone, await asked.LoginAsync(phone.UserId, "LAP/TOP") }) await device.UploadIdentityAsync();
            (await phone.CallAsync("PUT", "/devices/PHONE", new { display_name = "Téléphone" })).Ok();

            var list = await UserDeviceList.FetchAsync(asking.Federation, serverName, phone.UserId, default);

            Assert.That(list.UserId, Is.EqualTo(phone.UserId));
            Assert.That(list.Devices.Select(device => device with { Keys = null }), Is.EquivalentTo(
                new[] { new UserDevice("PHONE", "Téléphone"), new UserDevice("LAP/TOP") }));
        }
    }

    [Test]
    public async Task The_version_of_a_device_list_grows()
    {
        var user = (await _hs2.RegisterAsync()).UserId;
        var before = await UserDeviceList.FetchAsync(_hs1.Federation, "hs2.localhost:8448", user, default);
        await _hs2.LoginAsync(user);
        _hs2.Clock.PutForward(TimeSpan.FromSeconds(1));
        var after = await UserDeviceList.FetchAsync(_hs1.Federation, "hs2.localhost:8448", user, default);

        Assert.That(after.StreamId, Is.GreaterThan(before.StreamId));
    }

    [TestCase("@nobody:hs2.localhost:8448")]
    [TestCase("@nobody:hs3.localhost")]
    [TestCase("nonsense")]
    [TestCase("@a/b?c#d%2F:hs2.localhost:8448")]
    public void A_user_who_is_not_of_the_server_is_not_found(string userId)
    {
        var error = Assert.ThrowsAsync<FederationException>(
            async () => await UserDeviceList.FetchAsync(_hs1.Federation, "hs2.localhost:8448", userId, default));
        Assert.That((error!.StatusCode, error.ErrorCode), Is.EqualTo((404, "M_NOT_FOUND")));
    }

    [Test]
    public void Contents_are_signed_and_sent_as_they_are()
    {
        // That it is not found says that the signature was right.
        var error = Assert.ThrowsAsync<FederationException>(() => _hs1.Federation.SendAsync(
            HttpMethod.Get,
            "hs2.localhost:8448",
            "/_matrix/federation/v1/user/devices/nobody?a=%41&b=/../",
            JsonElement.Parse("""{ "é\u0041" : [ 1e2, {"\ud83d\ude00":"<&>"} ] }"""),
            default));
        Assert.That(error!.StatusCode, Is.EqualTo(404));
    }

    [Test]
    public void A_server_that_is_not_a_peer_is_not_asked() => Assert.That(
        async () => await UserDeviceList.FetchAsync(_hs1.Federation, "hs3.localhost", "@alice:hs3.localhost", default),
        Throws.TypeOf<FederationException>().With.Message.Contains("Federation:Peers"));

    [Test]
    public async Task A_server_that_is_not_there_is_told()
    {
        await using var alone = await Homeserver.StartAsync(
            store, "--ServerName", "hs1.localhost", "--Federation:Peers:hs2.localhost", $"http://127.0.0.1:{LoopbackPort.Unused()}");
        var error = Assert.ThrowsAsync<FederationException>(
            async () => await UserDeviceList.FetchAsync(alone.Federation, "hs2.localhost", "@alice:hs2.localhost", default));
        Assert.That(error!.StatusCode, Is.Null);
        Assert.That(error.Message, Does.Contain("cannot be reached"));
    }

    [Test]
    public async Task A_request_that_is_not_waited_for_any_more_is_cancelled()
    {
        using var gone = new CancellationTokenSource();
        await gone.CancelAsync();
        Assert.That(
            async () => await UserDeviceList.FetchAsync(_hs1.Federation, "hs2.localhost:8448", "@alice:hs2.localhost", gone.Token),
            Throws.InstanceOf<OperationCanceledException>());
    }

    [TestCase("/ed25519:a1b2c3")]
    [TestCase("/ed25519%3Aa1b2c3")]
    [TestCase("/ed25519:auto?minimum_valid_until_ts=0")]
    [TestCase("/")]
    public async Task The_key_document_is_also_given_to_who_asks_for_one_key(string keyId)
    {
        var asked = (await _hs2.SendAsync("GET", "/_matrix/key/v2/server" + keyId)).Ok();
        var all = (await _hs2.SendAsync("GET", "/_matrix/key/v2/server")).Ok();

        var key = all.GetProperty("verify_keys").EnumerateObject().Single();
        Assert.That(JsonElement.DeepEquals(asked.GetProperty("verify_keys"), all.GetProperty("verify_keys")), Is.True);
        Assert.That(SignedJson.IsSigned(asked, "hs2.localhost:8448", key.Name, UnpaddedBase64.Decode(key.Value.String("key"))), Is.True);
    }

    [Test]
    public async Task The_key_document_is_signed_by_its_key()
    {
        var document = (await _hs1.SendAsync("GET", "/_matrix/key/v2/server")).Ok();
        var key = document.GetProperty("verify_keys").EnumerateObject().Single();
        var validUntil = DateTimeOffset.FromUnixTimeMilliseconds(document.GetProperty("valid_until_ts").GetInt64());

        using (Assert.EnterMultipleScope())
        {
            Assert.That(document.String("server_name"), Is.EqualTo("hs1.localhost"));
            Assert.That(document.GetProperty("old_verify_keys").EnumerateObject(), Is.Empty);
            Assert.That(key.Name, Does.Match("^ed25519:[a-zA-Z0-9_]+$"));
            Assert.That(validUntil, Is.GreaterThan(_hs1.Clock.GetUtcNow() + TimeSpan.FromHours(1)));
            Assert.That(SignedJson.IsSigned(document, "hs1.localhost", key.Name, UnpaddedBase64.Decode(key.Value.String("key"))), Is.True);
        }
    }

    [Test]
    public async Task The_signing_key_lives_where_the_accounts_live()
    {
        var data = Directory.CreateTempSubdirectory("local-homeserver-tests-").FullName;
        try
        {
            var (first, second) = (await KeyAsync(), await KeyAsync());
            Assert.That(first, store == "sqlite" ? Is.EqualTo(second) : Is.Not.EqualTo(second));
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }

        async Task<string> KeyAsync()
        {
            await using var server = await Homeserver.StartAsync(store, "--Data", data);
            var keys = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => server.SendAsync("GET", "/_matrix/key/v2/server")));
            return keys.Select(reply => reply.Ok().GetProperty("verify_keys").GetRawText()).Distinct().Single();
        }
    }

    [Test]
    public async Task A_server_without_peers_says_its_version_and_federates_with_nobody()
    {
        await using var alone = await Homeserver.StartAsync(store);
        var server = (await alone.SendAsync("GET", "/_matrix/federation/v1/version")).Ok().GetProperty("server");
        Assert.That(server.String("name"), Is.EqualTo("LocalHomeserver"));
        Assert.That(server.String("version"), Does.Match(@"^\d+\.\d+\.\d+$"));

        await using var peer = await FakePeer.StartAsync();
        var uri = "/_matrix/federation/v1/user/devices/@alice:localhost";
        var header = peer.Sign(uri, destination: "localhost").ToString();
        (await peer.SendAsync(alone, uri, header, body: null)).IsError(403, "M_FORBIDDEN");
    }
}
