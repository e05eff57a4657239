namespace LocalHomeserver.Tests;

/// <summary>What becomes of a device's messages, from its login to its end.</summary>
internal sealed class DeviceLifeTests(string store) : HomeserverTests(store)
{
    private TestDevice _sender = null!;
    private TestDevice _phone = null!;

    [SetUp]
    public async Task Register()
    {
        _sender = await Server.RegisterAsync();
        _phone = await Server.RegisterAsync("PHONE");
    }

    [Test]
    public async Task D6_a_device_that_logs_out_takes_its_inbox_with_it()
    {
        await _sender.SendAsync(_phone, "lost");
        var laptop = await Server.LoginAsync(_phone.UserId, "LAPTOP");

        await _phone.LogoutAsync();

        (await _phone.TrySyncAsync()).IsError(401, "M_UNKNOWN_TOKEN");
        Assert.That((await laptop.SyncAsync()).Texts, Is.Empty);
        var later = await Server.LoginAsync(_phone.UserId, "PHONE");
        Assert.That((await later.SyncAsync()).Texts, Is.Empty);
    }

    [Test]
    public async Task R70_logout_all_ends_every_device_of_the_user()
    {
        var laptop = await Server.LoginAsync(_phone.UserId, "LAPTOP");
        await _sender.SendAsync(_phone, "lost");
        await _sender.SendAsync(laptop, "lost");

        (await _phone.CallAsync("POST", "/logout/all")).Ok();

        (await _phone.TrySyncAsync()).IsError(401, "M_UNKNOWN_TOKEN");
        (await laptop.TrySyncAsync()).IsError(401, "M_UNKNOWN_TOKEN");
        Assert.That((await (await Server.LoginAsync(_phone.UserId, "PHONE")).SyncAsync()).Texts, Is.Empty);
        Assert.That((await (await Server.LoginAsync(_phone.UserId, "LAPTOP")).SyncAsync()).Texts, Is.Empty);
        (await _sender.CallAsync("GET", "/account/whoami")).Ok();
    }

    [TestCase("DELETE", "/devices/LAPTOP")]
    [TestCase("POST", "/delete_devices")]
    public async Task R70_a_deleted_device_takes_its_inbox_with_it(string method, string path)
    {
        var laptop = await Server.LoginAsync(_phone.UserId, "LAPTOP");
        await _sender.SendAsync(laptop, "lost");
        await _sender.SendAsync(_phone, "kept");

        (await _phone.CallAsync(method, path, new { devices = new[] { "LAPTOP" }, auth = _phone.PasswordAuth() })).Ok();

        Assert.That((await (await Server.LoginAsync(_phone.UserId, "LAPTOP")).SyncAsync()).Texts, Is.Empty);
        Assert.That((await _phone.SyncAsync()).Texts, Is.EqualTo(new[] { "kept" }));
    }

    [Test]
    public async Task R72_a_login_with_the_same_device_ID_keeps_the_inbox()
    {
        await _sender.SendAsync(_phone, "kept");

        var again = await Server.LoginAsync(_phone.UserId, "PHONE");

        (await _phone.TrySyncAsync()).IsError(401, "M_UNKNOWN_TOKEN");
        Assert.That((await again.SyncAsync()).Texts, Is.EqualTo(new[] { "kept" }));
    }

    [Test]
    public async Task R72_tokens_of_the_sync_outlive_a_login_with_the_same_device_ID()
    {
        await _sender.SendAsync(_phone, "one");
        var before = await _phone.SyncAsync();

        var again = await Server.LoginAsync(_phone.UserId, "PHONE");

        Assert.That((await again.SyncAsync(before.NextBatch)).Texts, Is.Empty);
    }

    [Test]
    public async Task D6_a_sync_token_of_an_ended_device_acknowledges_nothing_of_a_later_one()
    {
        await _sender.SendAsync(_phone, "old");
        var old = await _phone.SyncAsync();
        await _phone.LogoutAsync();
        var later = await Server.LoginAsync(_phone.UserId, "PHONE");
        await _sender.SendAsync(later, "new");

        await later.TrySyncAsync(old.NextBatch);

        Assert.That((await later.SyncAsync()).Texts, Is.EqualTo(new[] { "new" }));
    }

    [Test]
    public async Task R45_a_retry_after_a_refresh_is_a_duplicate()
    {
        var sender = await Server.RegisterAsync(refreshToken: true);
        await sender.SendAsync(_phone, "once", txnId: "1");
        await sender.RefreshAsync();
        await sender.SendAsync(_phone, "twice", txnId: "1");

        Assert.That((await _phone.SyncAsync()).Texts, Is.EqualTo(new[] { "once" }));
    }

    [Test]
    public async Task R46_a_retry_after_a_login_with_the_same_device_ID_is_a_duplicate()
    {
        await _sender.SendAsync(_phone, "once", txnId: "1");
        var again = await Server.LoginAsync(_sender.UserId, _sender.DeviceId);
        await again.SendAsync(_phone, "twice", txnId: "1");

        Assert.That((await _phone.SyncAsync()).Texts, Is.EqualTo(new[] { "once" }));
    }

    [Test]
    public async Task R46_D6_after_a_logout_the_same_transaction_ID_is_another_transaction()
    {
        await _sender.SendAsync(_phone, "one", txnId: "1");
        await _sender.LogoutAsync();
        var later = await Server.LoginAsync(_sender.UserId, _sender.DeviceId);
        await later.SendAsync(_phone, "two", txnId: "1");

        Assert.That((await _phone.SyncAsync()).Texts, Is.EqualTo(new[] { "one", "two" }));
    }

    [Test]
    public async Task D17_a_retry_with_a_revoked_token_learns_nothing()
    {
        await _sender.SendAsync(_phone, "one", txnId: "1");
        await _sender.LogoutAsync();
        (await _sender.TrySendAsync(_phone.UserId, "PHONE", "one", txnId: "1")).IsError(401, "M_UNKNOWN_TOKEN");
    }

    [Test]
    public async Task D6_a_device_that_logs_out_while_it_waits_is_told_so()
    {
        using var waiting = new WaitingSyncs(Server);
        var poll = _phone.TrySyncAsync((await _phone.SyncAsync()).NextBatch, timeout: 600_000);
        await waiting.NextAsync();

        await _phone.LogoutAsync();

        (await poll).IsError(401, "M_UNKNOWN_TOKEN");
    }

    [Test]
    public async Task D6_an_ended_device_gets_none_of_the_mail_of_a_later_one_with_its_ID()
    {
        for (var round = 0; round < 10; round++)
        {
            var user = await Server.RegisterAsync("PHONE");
            using var waiting = new WaitingSyncs(Server);
            var poll = user.TrySyncAsync((await user.SyncAsync()).NextBatch, timeout: 600_000);
            await waiting.NextAsync();

            await user.LogoutAsync();
            var later = await Server.LoginAsync(user.UserId, "PHONE");
            await _sender.SendAsync(later, "private");

            (await poll).IsError(401, "M_UNKNOWN_TOKEN");
            Assert.That((await later.SyncAsync()).Texts, Is.EqualTo(new[] { "private" }));
        }
    }

    [Test]
    public async Task D6_a_deletion_and_a_login_at_the_same_time_leave_a_device_with_its_mail_or_none()
    {
        var laptop = await Server.LoginAsync(_phone.UserId, "LAPTOP");
        for (var round = 0; round < 20; round++)
        {
            var deletion = laptop.CallAsync("DELETE", "/devices/PHONE", new { auth = laptop.PasswordAuth() });
            var phone = await Server.LoginAsync(_phone.UserId, "PHONE");
            await _sender.SendAsync(phone, $"{round}");
            (await deletion).Ok();

            // Either the deletion came after the login, or it has nothing to do with what came after the login.
            var sync = await phone.TrySyncAsync();
            if (sync.Status == 200) Assert.That(Sync.Of(sync.Body).Texts, Does.Contain($"{round}"));
            else sync.IsError(401, "M_UNKNOWN_TOKEN");
        }
    }

    [Test]
    public async Task R28_a_message_to_an_ended_device_is_accepted_and_dropped()
    {
        await _phone.LogoutAsync();
        (await _sender.TrySendAsync(_phone.UserId, "PHONE", "nobody there")).Ok();
    }
}
