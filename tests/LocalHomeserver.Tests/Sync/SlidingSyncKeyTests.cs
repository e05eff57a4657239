namespace LocalHomeserver.Tests;

/// <summary>The <c>e2ee</c> extension (MSC4543): whose keys have changed, and what is left of a device's own.</summary>
internal sealed class SlidingSyncKeyTests(string store) : HomeserverTests(store)
{
    private const int LongTime = 600_000;

    private TestDevice _phone = null!;
    private SlidingClient _client = null!;

    [SetUp]
    public async Task Register()
    {
        _phone = await Server.RegisterAsync("PHONE");
        _client = new SlidingClient(Server, _phone, SlidingPath.Experimental);
    }

    [Test]
    public async Task Without_a_pos_there_are_the_counts_and_no_lists()
    {
        await _phone.UploadIdentityAsync();
        await _phone.UploadOneTimeKeysAsync("A", "B");
        await _phone.UploadFallbackKeyAsync("F");

        var keys = (await _client.SyncAsync(LongTime)).Keys!.Value;

        Assert.That(keys.Has("device_lists"), Is.False);
        Assert.That(keys.GetProperty("device_one_time_keys_count").GetProperty(TestKeys.Algorithm).GetInt32(), Is.EqualTo(2));
        Assert.That(keys.GetProperty("device_unused_fallback_key_types")[0].GetString(), Is.EqualTo(TestKeys.Algorithm));
    }

    [Test]
    public async Task A_change_ends_a_long_poll_and_comes_until_its_pos_is_used()
    {
        using var waiting = new WaitingSyncs(Server);
        await _client.SyncAsync();
        var laptop = await Server.LoginAsync(_phone.UserId, "LAPTOP");
        await _client.SyncAsync();
        var poll = _client.AskAsync(LongTime);
        await waiting.NextAsync();

        await laptop.UploadIdentityAsync();

        Assert.That((await poll).Changed, Is.EqualTo(new[] { _phone.UserId }));
        Assert.That((await _client.SyncAsync(LongTime)).Changed, Is.EqualTo(new[] { _phone.UserId }), "the answer was lost");
        Assert.That((await _client.SyncAsync()).Changed, Is.Empty);
    }

    [Test]
    public async Task A_key_that_somebody_takes_ends_a_long_poll_and_zero_is_said()
    {
        using var waiting = new WaitingSyncs(Server);
        await _phone.UploadOneTimeKeysAsync("A");
        await _client.SyncAsync();
        await _client.SyncAsync();
        var poll = _client.SyncAsync(LongTime);
        await waiting.NextAsync();

        await (await Server.RegisterAsync()).ClaimAsync(_phone);

        Assert.That((await poll).Count, Is.Zero);
    }

    [Test]
    public async Task A_client_is_told_about_the_devices_of_those_who_write_to_it()
    {
        await _client.SyncAsync();
        var sender = await Server.RegisterAsync();
        await sender.SendAsync(_phone, "hello");
        await _client.SyncAsync();

        await sender.UploadIdentityAsync();

        Assert.That((await _client.SyncAsync(LongTime)).Changed, Is.EqualTo(new[] { sender.UserId }));
    }

    [Test]
    public async Task What_changed_while_the_extension_was_off_is_told_when_it_is_on_again()
    {
        await _client.SyncAsync();
        _client.WantsKeys = false;
        await _client.SyncAsync();
        await _phone.UploadIdentityAsync();
        Assert.That((await _client.SyncAsync()).Keys, Is.Null);

        _client.WantsKeys = true;

        Assert.That((await _client.SyncAsync()).Changed, Is.EqualTo(new[] { _phone.UserId }));
        Assert.That((await _client.SyncAsync()).Changed, Is.Empty);
    }

    [Test]
    public async Task Connections_are_told_each_for_itself()
    {
        var other = new SlidingClient(Server, _phone, SlidingPath.Experimental, "other");
        await _client.SyncAsync();
        await other.SyncAsync();
        await _phone.UploadIdentityAsync();

        Assert.That((await _client.SyncAsync()).Changed, Is.EqualTo(new[] { _phone.UserId }));
        Assert.That((await other.SyncAsync()).Changed, Is.EqualTo(new[] { _phone.UserId }));
    }

    [Test]
    public async Task Keys_changes_takes_a_pos()
    {
        var before = (await _client.SyncAsync()).Pos;
        await _phone.UploadIdentityAsync();
        var after = (await _client.SyncAsync()).Pos;

        Assert.That(await ChangedAsync(before), Is.EqualTo(new[] { _phone.UserId }));
        Assert.That(await ChangedAsync(after), Is.Empty);

        async Task<string[]> ChangedAsync(string from) => [.. (await _phone.CallAsync("GET", $"/keys/changes?from={from}&to={after}")).Ok()
            .GetProperty("changed").EnumerateArray().Select(user => user.GetString()!)];
    }
}
