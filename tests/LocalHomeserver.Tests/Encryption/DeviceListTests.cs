using System.Text.Json.Nodes;

namespace LocalHomeserver.Tests;

/// <summary>What /sync and /keys/changes tell about keys.</summary>
internal sealed class DeviceListTests(string store) : HomeserverTests(store)
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
    public async Task A_first_sync_tells_no_changes_and_what_there_is_of_ones_own_keys()
    {
        await _alice.UploadIdentityAsync();
        await _alice.UploadOneTimeKeysAsync("A", "B");
        await _alice.UploadFallbackKeyAsync("F");

        var first = await _alice.SyncAsync();

        Assert.That(first.Changed(), Is.Empty);
        Assert.That(first.Count(), Is.EqualTo(2));
        Assert.That(first.UnusedFallbackKeys(), Is.EqualTo(new[] { TestKeys.Algorithm }));
        Assert.That((await _alice.SyncAsync(first.NextBatch)).Changed(), Is.Empty);
    }

    [Test]
    public async Task Every_change_of_ones_own_devices_is_told_once()
    {
        await ToldAsync(async () => await Server.LoginAsync(_alice.UserId, "LAPTOP"));
        var tablet = await Server.LoginAsync(_alice.UserId, "TABLET");
        await ToldAsync(tablet.UploadIdentityAsync);
        await ToldAsync(async () => (await tablet.CallAsync("PUT", "/devices/TABLET", new { display_name = "Tablet" })).Ok());
        await ToldAsync(tablet.UploadCrossSigningAsync);
        await ToldAsync(tablet.LogoutAsync);
        await ToldAsync(async () =>
            (await _alice.CallAsync("DELETE", "/devices/LAPTOP", new { auth = _alice.PasswordAuth() })).Ok());

        async Task ToldAsync(Func<Task> change)
        {
            var before = (await _alice.SyncAsync()).NextBatch;
            await change();
            var told = await _alice.SyncAsync(before);

            Assert.That(told.Changed(), Is.EqualTo(new[] { _alice.UserId }));
            Assert.That(told.NextBatch, Is.Not.EqualTo(before));
            Assert.That((await _alice.SyncAsync(told.NextBatch)).Changed(), Is.Empty);
        }
    }

    [Test]
    public async Task A_write_that_changes_nothing_is_told_to_nobody()
    {
        var key = TestKeys.NewKey(_alice);
        var keys = TestKeys.DeviceKeys(_alice, key);
        var identity = TestIdentity.Of(_alice);
        var oneTimeKeys = new JsonObject { [$"{TestKeys.Algorithm}:A"] = TestKeys.OneTimeKey(_alice, "A") };
        var signedAnew = new JsonObject { [$"{TestKeys.Algorithm}:A"] = TestKeys.OneTimeKey(_alice, "A") };
        var turned = new JsonObject(keys.Reverse().Select(member => KeyValuePair.Create(member.Key, member.Value?.DeepClone())));
        var unsigned = keys.DeepClone().AsObject();
        unsigned["unsigned"] = new JsonObject { ["device_display_name"] = "not for the device to say" };
        Func<Task<Reply>>[] changes =
        [
            () => _alice.TryUploadAsync(keys, oneTimeKeys, oneTimeKeys),
            () => _alice.CallAsync("POST", "/keys/device_signing/upload", identity.Upload()),
            () => _alice.TrySignAsync(_alice.UserId, "PHONE", TestKeys.SignAnew(keys, _alice.UserId, identity.SelfSigning)),
            () => _alice.TrySignAsync(_alice.UserId, identity.Master.PublicKey(), TestKeys.SignAnew(identity.MasterKey, _alice.UserId, key)),
            () => _alice.CallAsync("PUT", "/devices/PHONE", new { display_name = "Phone" }),
        ];
        Func<Task<Reply>>[] others =
        [
            () => _alice.CallAsync("PUT", "/devices/PHONE", "{}"),
            () => _alice.CallAsync("PUT", "/devices/PHONE", """{"display_name":null}"""),
            () => _alice.CallAsync("POST", "/keys/upload", "{}"),
            () => _alice.TryUploadAsync(turned),
            () => _alice.TryUploadAsync(unsigned),
            () => _alice.TryUploadAsync(null, signedAnew, signedAnew),
            () => _bob.CallAsync("POST", "/keys/claim", $$$$"""{"one_time_keys":{"{{{{_alice.UserId}}}}":{"PHONE":"nothing of this","NONE":"x"}}}"""),
            () => _alice.CallAsync("POST", "/delete_devices", new { devices = new[] { "NONE" }, auth = _alice.PasswordAuth() }),
        ];
        await _bob.QueryAsync(_alice.UserId);
        foreach (var change in changes)
        {
            var before = (await _bob.SyncAsync()).NextBatch;
            (await change()).Ok();
            Assert.That((await _bob.SyncAsync()).NextBatch, Is.Not.EqualTo(before));
        }

        var (alice, bob) = ((await _alice.SyncAsync()).NextBatch, (await _bob.SyncAsync()).NextBatch);
        foreach (var again in changes.Concat(others))
        {
            (await again()).Ok();
            // No change has taken a position: so nobody was woken, on this host or another.
            Assert.That(((await _alice.SyncAsync(alice)).NextBatch, (await _bob.SyncAsync(bob)).NextBatch), Is.EqualTo((alice, bob)));
            Assert.That((await _bob.SyncAsync(bob)).Changed(), Is.Empty);
        }
    }

    [Test]
    public async Task Users_who_have_exchanged_a_message_are_told_about_each_other_and_others_are_not()
    {
        var carol = await Server.RegisterAsync();
        await _alice.SendAsync(_bob, "hello");
        var (alice, bob, third) = ((await _alice.SyncAsync()).NextBatch, (await _bob.SyncAsync()).NextBatch, (await carol.SyncAsync()).NextBatch);

        await _alice.UploadIdentityAsync();
        await _bob.UploadIdentityAsync();

        Assert.That((await _alice.SyncAsync(alice)).Changed(), Is.EquivalentTo(new[] { _alice.UserId, _bob.UserId }));
        Assert.That((await _bob.SyncAsync(bob)).Changed(), Is.EquivalentTo(new[] { _alice.UserId, _bob.UserId }));
        Assert.That((await carol.SyncAsync(third)).Changed(), Is.Empty);
    }

    [Test]
    public async Task Who_has_asked_for_a_users_keys_is_told_when_they_change()
    {
        await _alice.QueryAsync(_bob.UserId);
        var (alice, bob) = ((await _alice.SyncAsync()).NextBatch, (await _bob.SyncAsync()).NextBatch);

        await _bob.UploadIdentityAsync();
        await _alice.UploadIdentityAsync();

        Assert.That((await _alice.SyncAsync(alice)).Changed(), Is.EquivalentTo(new[] { _alice.UserId, _bob.UserId }));
        Assert.That((await _bob.SyncAsync(bob)).Changed(), Is.EqualTo(new[] { _bob.UserId }));
    }

    [Test]
    public async Task Whom_one_has_verified_is_told_to_ones_own_devices_alone()
    {
        var tablet = await Server.LoginAsync(_alice.UserId, "TABLET");
        var alices = await _alice.UploadCrossSigningAsync();
        var bobs = await _bob.UploadCrossSigningAsync();
        var (alice, bob) = ((await tablet.SyncAsync()).NextBatch, (await _bob.SyncAsync()).NextBatch);

        (await _alice.TrySignAsync(
            _bob.UserId, bobs.Master.PublicKey(), TestKeys.SignAnew(bobs.MasterKey, _alice.UserId, alices.UserSigning))).Ok();

        Assert.That((await tablet.SyncAsync(alice)).Changed(), Is.EqualTo(new[] { _bob.UserId }));
        Assert.That((await _bob.SyncAsync(bob)).Changed(), Is.Empty);
    }

    [Test]
    public async Task D11_the_same_since_again_tells_the_same_and_perhaps_more()
    {
        await _alice.QueryAsync(_bob.UserId);
        var since = (await _alice.SyncAsync()).NextBatch;
        await _bob.UploadIdentityAsync();
        Assert.That((await _alice.SyncAsync(since)).Changed(), Is.EqualTo(new[] { _bob.UserId }));
        await _alice.UploadIdentityAsync();

        Assert.That((await _alice.SyncAsync(since)).Changed(), Is.EquivalentTo(new[] { _alice.UserId, _bob.UserId }));
    }

    [Test]
    public async Task D11_a_change_is_told_beside_messages_which_are_acknowledged_as_ever()
    {
        var since = (await _bob.SyncAsync()).NextBatch;
        await _alice.SendAsync(_bob, "one");
        await _alice.UploadIdentityAsync();

        var both = await _bob.SyncAsync(since);
        Assert.That(both.Texts, Is.EqualTo(new[] { "one" }));
        Assert.That(both.Changed(), Is.EqualTo(new[] { _alice.UserId }));

        await _alice.UploadCrossSigningAsync();
        var change = await _bob.SyncAsync(both.NextBatch);
        Assert.That(change.Texts, Is.Empty);
        Assert.That(change.Changed(), Is.EqualTo(new[] { _alice.UserId }));
    }

    [Test]
    public async Task A_token_from_before_there_were_keys_is_understood_and_everything_is_new_to_it()
    {
        await _alice.SendAsync(_bob, "one");
        await _bob.UploadIdentityAsync();
        var plain = (await _bob.SyncAsync()).NextBatch.Split('.')[0];

        var next = await _bob.SyncAsync(plain);

        Assert.That(next.Texts, Is.Empty);
        Assert.That(next.Changed(), Does.Contain(_bob.UserId));
    }

    [Test]
    public async Task D11_a_token_ahead_of_the_store_skips_nothing()
    {
        var since = (await _bob.SyncAsync()).NextBatch.Split('.')[0] + $".{long.MaxValue}";
        Assert.That((await _bob.SyncAsync(since)).Changed(), Does.Contain(_bob.UserId));
    }

    [TestCase(".x")]
    [TestCase(".-1")]
    [TestCase(".")]
    [TestCase(".1.2")]
    [TestCase(".99999999999999999999")]
    public async Task D11_garbage_behind_the_point_is_an_error_and_deletes_nothing(string suffix)
    {
        await _alice.SendAsync(_bob, "kept");
        var since = (await _bob.SyncAsync()).NextBatch.Split('.')[0] + suffix;

        (await _bob.TrySyncAsync(since)).IsError(400, "M_INVALID_PARAM");
        Assert.That((await _bob.SyncAsync()).Texts, Is.EqualTo(new[] { "kept" }));
    }

    [Test]
    public async Task R57_a_change_ends_a_long_poll()
    {
        await _alice.QueryAsync(_bob.UserId);
        using var waiting = new WaitingSyncs(Server);
        var since = (await _alice.SyncAsync()).NextBatch;
        foreach (var change in (Func<Task>[])[_bob.UploadIdentityAsync, _bob.UploadCrossSigningAsync, _bob.LogoutAsync])
        {
            var poll = _alice.SyncAsync(since, timeout: 600_000);
            await waiting.NextAsync();
            await change();

            var woken = await poll;
            Assert.That(woken.Changed(), Is.EqualTo(new[] { _bob.UserId }));
            since = woken.NextBatch;
        }
    }

    [Test]
    public async Task A_key_that_is_claimed_ends_a_long_poll_of_its_device()
    {
        await _bob.UploadOneTimeKeysAsync("A");
        await _bob.UploadFallbackKeyAsync("F");
        using var waiting = new WaitingSyncs(Server);
        var since = (await _bob.SyncAsync()).NextBatch;
        foreach (var unused in (string[][])[[TestKeys.Algorithm], []])
        {
            var poll = _bob.SyncAsync(since, timeout: 600_000);
            await waiting.NextAsync();
            await _alice.ClaimAsync(_bob);

            var woken = await poll;
            Assert.That((woken.Count(), woken.Changed()), Is.EqualTo((0, Array.Empty<string>())));
            Assert.That(woken.UnusedFallbackKeys(), Is.EqualTo(unused));
            since = woken.NextBatch;
        }
    }

    [Test]
    public async Task Changes_of_strangers_do_not_end_a_long_poll()
    {
        using var waiting = new WaitingSyncs(Server);
        var since = (await _alice.SyncAsync()).NextBatch;
        var poll = _alice.SyncAsync(since, timeout: 600_000);
        await waiting.NextAsync();

        await _bob.UploadIdentityAsync();
        await _bob.SendAsync(_alice, "the end");

        Assert.That((await poll).Texts, Is.EqualTo(new[] { "the end" }));
    }

    [Test]
    public async Task Changes_between_two_tokens_can_be_asked_for()
    {
        await _alice.QueryAsync(_bob.UserId);
        var from = (await _alice.SyncAsync()).NextBatch;
        await _bob.UploadIdentityAsync();
        var to = (await _alice.SyncAsync()).NextBatch;

        var changes = (await _alice.CallAsync("GET", $"/keys/changes?from={from}&to={to}")).Ok();
        Assert.That(changes.GetProperty("changed").EnumerateArray().Select(user => user.GetString()), Is.EqualTo(new[] { _bob.UserId }));
        Assert.That(changes.GetProperty("left").GetArrayLength(), Is.Zero);
        var none = (await _alice.CallAsync("GET", $"/keys/changes?from={to}&to={to}")).Ok();
        Assert.That(none.GetProperty("changed").GetArrayLength(), Is.Zero);
    }

    [TestCase("", "M_MISSING_PARAM")]
    [TestCase("?from=a.1", "M_MISSING_PARAM")]
    [TestCase("?to=a.1", "M_MISSING_PARAM")]
    [TestCase("?from=a.x&to=a.1", "M_INVALID_PARAM")]
    [TestCase("?from=a.1&to=a.x", "M_INVALID_PARAM")]
    public async Task Changes_need_two_tokens(string query, string errorCode) =>
        (await _alice.CallAsync("GET", "/keys/changes" + query)).IsError(400, errorCode);
}
