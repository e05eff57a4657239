using System.Text.Json;

namespace LocalHomeserver.Tests;

internal sealed class KeyClaimTests(string store) : HomeserverTests(store)
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
    public async Task A_key_is_given_as_it_was_uploaded()
    {
        var key = TestKeys.OneTimeKey(_bob, "value");
        (await _bob.TryUploadAsync(oneTimeKeys: new() { ["signed_curve25519:A"] = key })).Ok();

        var claimed = (await ClaimAsync($$$"""{"{{{_bob.UserId}}}":{"LAPTOP":"signed_curve25519"}}""")).Ok();

        var given = claimed.GetProperty("one_time_keys").GetProperty(_bob.UserId).GetProperty("LAPTOP").GetProperty("signed_curve25519:A");
        Assert.That(JsonElement.DeepEquals(given, JsonElement.Parse(key.ToJsonString())), Is.True);
        Assert.That(claimed.GetProperty("failures").EnumerateObject(), Is.Empty);
    }

    [Test]
    public async Task Keys_are_given_in_the_order_in_which_they_were_uploaded_and_each_once()
    {
        await _bob.UploadOneTimeKeysAsync("Z", "M");
        await _bob.UploadOneTimeKeysAsync("A");

        var claimed = new List<string?>();
        for (var i = 0; i < 4; i++) claimed.Add(await _alice.ClaimAsync(_bob));

        Assert.That(claimed, Is.EqualTo(new[] { "Z", "M", "A", null }));
    }

    [Test]
    public async Task When_there_are_none_left_the_fallback_key_is_given_and_is_used_from_then_on()
    {
        await _bob.UploadFallbackKeyAsync("F");
        await _bob.UploadOneTimeKeysAsync("A");
        Assert.That(await _alice.ClaimAsync(_bob), Is.EqualTo("A"));
        Assert.That((await _bob.SyncAsync()).UnusedFallbackKeys(), Is.EqualTo(new[] { TestKeys.Algorithm }));

        Assert.That(await _alice.ClaimAsync(_bob), Is.EqualTo("F"));
        Assert.That(await _alice.ClaimAsync(_bob), Is.EqualTo("F"));
        Assert.That((await _bob.SyncAsync()).UnusedFallbackKeys(), Is.Empty);
    }

    [Test]
    public async Task No_key_is_given_twice_however_many_ask_at_once()
    {
        var keyIds = Enumerable.Range(0, 40).Select(i => $"K{i}").ToArray();
        await _bob.UploadOneTimeKeysAsync(keyIds);

        var claimed = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => _alice.ClaimAsync(_bob)));

        Assert.That(claimed.Where(key => key is not null), Is.EquivalentTo(keyIds));
    }

    [Test]
    public async Task Several_devices_are_asked_at_once_and_those_without_keys_are_left_out()
    {
        var tablet = await Server.LoginAsync(_bob.UserId, "TABLET");
        await _bob.UploadOneTimeKeysAsync("A");
        await tablet.UploadOneTimeKeysAsync("B");
        var claimed = (await ClaimAsync(
            $$"""
            {"{{_bob.UserId}}":{"LAPTOP":"signed_curve25519","TABLET":"signed_curve25519","NONE":"signed_curve25519"},
             "{{_alice.UserId}}":{"PHONE":"signed_curve25519"},"@nobody:localhost":{"X":"signed_curve25519"} }
            """)).Ok().GetProperty("one_time_keys");

        Assert.That(claimed.EnumerateObject().Select(user => user.Name), Is.EqualTo(new[] { _bob.UserId }));
        Assert.That(claimed.GetProperty(_bob.UserId).EnumerateObject().Select(device => device.Name), Is.EquivalentTo(new[] { "LAPTOP", "TABLET" }));
    }

    [Test]
    public async Task A_key_of_another_algorithm_is_not_given()
    {
        await _bob.UploadOneTimeKeysAsync("A");
        Assert.That(await _alice.ClaimAsync(_bob.UserId, "LAPTOP", "curve25519"), Is.Null);
        Assert.That((await _bob.SyncAsync()).Count(), Is.EqualTo(1));
    }

    [Test]
    public async Task D6_a_device_that_has_ended_has_no_keys_and_a_later_one_with_its_ID_does_not_get_them()
    {
        await _bob.UploadIdentityAsync();
        await _bob.UploadOneTimeKeysAsync("A");
        await _bob.UploadFallbackKeyAsync("F");
        await _bob.LogoutAsync();
        Assert.That(await _alice.ClaimAsync(_bob), Is.Null);

        var later = await Server.LoginAsync(_bob.UserId, "LAPTOP");
        Assert.That(await _alice.ClaimAsync(later), Is.Null);
        Assert.That((await later.SyncAsync()).Count(), Is.Zero);
        Assert.That(
            (await _alice.QueryAsync(_bob.UserId)).GetProperty("device_keys").GetProperty(_bob.UserId).EnumerateObject(), Is.Empty);
    }

    [Test]
    public async Task D6_uploads_and_an_end_at_the_same_time_leave_nothing_for_a_later_device()
    {
        for (var round = 0; round < 10; round++)
        {
            var device = await Server.RegisterAsync("TABLET");
            var keys = TestKeys.OneTimeKey(device, "value");
            var uploads = Enumerable.Range(0, 8)
                .Select(i => device.TryUploadAsync(oneTimeKeys: new() { [$"signed_curve25519:{i}"] = keys.DeepClone() })).ToList();
            await device.LogoutAsync();
            var later = await Server.LoginAsync(device.UserId, "TABLET");

            foreach (var upload in await Task.WhenAll(uploads)) Assert.That(upload.Status, Is.EqualTo(200).Or.EqualTo(401));
            Assert.That((await later.SyncAsync()).Count(), Is.Zero);
        }
    }

    [Test]
    public async Task D10_what_is_no_user_ID_is_left_out_and_the_others_are_answered()
    {
        await _bob.UploadOneTimeKeysAsync("A");
        var devices = new { LAPTOP = TestKeys.Algorithm };
        var claimed = (await _alice.CallAsync("POST", "/keys/claim", new
        {
            one_time_keys = new Dictionary<string, object> { ["nobody"] = devices, ["@:"] = devices, [_bob.UserId] = devices, [""] = devices },
        })).Ok();

        Assert.That(claimed.GetProperty("one_time_keys").EnumerateObject().Select(user => user.Name), Is.EqualTo(new[] { _bob.UserId }));
        Assert.That(claimed.GetProperty("failures").EnumerateObject(), Is.Empty);
    }

    [TestCase("{}", "M_MISSING_PARAM")]
    [TestCase("""{"one_time_keys":[]}""", "M_BAD_JSON")]
    [TestCase("""{"one_time_keys":{"@a:localhost":["PHONE"]}}""", "M_BAD_JSON")]
    [TestCase("""{"one_time_keys":{"@a:localhost":{"PHONE":7}}}""", "M_BAD_JSON")]
    [TestCase("""{"one_time_keys":{"@a:localhost":null}}""", "M_BAD_JSON")]
    [TestCase("""{"one_time_keys":{"@a:localhost":{"PHONE":null}}}""", "M_BAD_JSON")]
    [TestCase("""{"one_time_keys":{},"timeout":"soon"}""", "M_BAD_JSON")]
    public async Task A_question_of_another_form_is_refused(string body, string errorCode) =>
        (await _alice.CallAsync("POST", "/keys/claim", body)).IsError(400, errorCode);

    private Task<Reply> ClaimAsync(string oneTimeKeys) =>
        _alice.CallAsync("POST", "/keys/claim", $"{{\"one_time_keys\":{oneTimeKeys}}}");
}
