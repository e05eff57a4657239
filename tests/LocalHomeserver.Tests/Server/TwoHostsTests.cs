using Matrix.ToDevice.Tests;
using Npgsql;

namespace LocalHomeserver.Tests;

/// <summary>Two hosts on one PostgreSQL database are one server: it does not matter which one a request goes to.</summary>
internal sealed class TwoHostsTests
{
    private string _database = null!;
    private Homeserver _one = null!, _two = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        _database = PostgreSql.NewDatabase();
        // At the same moment: both find an empty database.
        var hosts = await Task.WhenAll(
            Homeserver.StartAsync("postgresql", PostgreSql.Setting, _database), Homeserver.StartAsync("postgresql", PostgreSql.Setting, _database));
        (_one, _two) = (hosts[0], hosts[1]);
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        if (_one is not null) await _one.DisposeAsync();
        if (_two is not null) await _two.DisposeAsync();
    }

    [Test]
    public async Task R51_a_send_to_one_host_ends_a_long_poll_on_the_other()
    {
        var sender = await _one.RegisterAsync();
        var receiver = await _two.LoginAsync((await _one.RegisterAsync()).UserId, "LAPTOP");
        using var waiting = new WaitingSyncs(_two);
        var poll = receiver.SyncAsync((await receiver.SyncAsync()).NextBatch, timeout: 600_000);
        await waiting.NextAsync();

        await sender.SendAsync(receiver, "hello");

        Assert.That((await poll).Texts, Is.EqualTo(new[] { "hello" }));
    }

    [Test]
    public async Task R70_D17_a_logout_on_one_host_ends_the_token_on_the_other_at_once()
    {
        var phone = await _one.RegisterAsync("PHONE");
        var there = phone.At(_two);
        (await there.CallAsync("GET", "/account/whoami")).Ok();
        using var waiting = new WaitingSyncs(_two);
        var poll = there.TrySyncAsync((await there.SyncAsync()).NextBatch, timeout: 600_000);
        await waiting.NextAsync();

        await phone.LogoutAsync();

        (await there.CallAsync("GET", "/account/whoami")).IsError(401, "M_UNKNOWN_TOKEN");
        (await there.TrySendAsync(phone.UserId, "PHONE", "no")).IsError(401, "M_UNKNOWN_TOKEN");
        (await poll).IsError(401, "M_UNKNOWN_TOKEN");
    }

    /// <summary>Requests that come together share a statement, but not one that was carried out before they came.</summary>
    [Test]
    public async Task R70_D17_a_token_that_ended_behind_a_look_up_that_hangs_is_refused_and_nobody_waits_for_that_one()
    {
        var lookUp = "access = ANY";
        var database = PostgreSql.NewDatabase();
        using var proxy = new TestProxy(new NpgsqlConnectionStringBuilder(database).Port);
        await using var one = await Homeserver.StartAsync("postgresql", PostgreSql.Setting, database);
        await using var slow = await Homeserver.StartAsync("postgresql", PostgreSql.Setting, $"{database};Port={proxy.Port}");
        var phone = await one.RegisterAsync("PHONE");
        var there = phone.At(slow);
        proxy.Mute(lookUp);
        var hangs = there.CallAsync("GET", "/account/whoami");
        var carriedOut =
            $"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' AND query LIKE '%{lookUp}%'";
        await Eventually.IsAsync(() => PostgreSql.Query(database, carriedOut) == "1", "the first look-up is carried out");
        proxy.Mend();

        await phone.LogoutAsync();

        (await there.CallAsync("GET", "/account/whoami")).IsError(401, "M_UNKNOWN_TOKEN");
        Assert.That(hangs.IsCompleted, Is.False);
        proxy.Cut(lookUp);
        (await hangs).IsError(503, "M_UNKNOWN");
    }

    [Test]
    public async Task D17_requests_at_the_same_moment_are_each_of_their_own_device()
    {
        var devices = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => (i % 2 == 0 ? _one : _two).RegisterAsync()));
        var ended = await _one.RegisterAsync();
        await ended.LogoutAsync();
        for (var round = 0; round < 10; round++)
        {
            var nobody = ended.CallAsync("GET", "/account/whoami");
            var replies = await Task.WhenAll(devices.Select(device => device.At(_one).CallAsync("GET", "/account/whoami")));

            Assert.That(replies.Select(reply => reply.Ok().String("user_id")), Is.EqualTo(devices.Select(device => device.UserId)));
            (await nobody).IsError(401, "M_UNKNOWN_TOKEN");
        }
    }

    [Test]
    public async Task R41_a_retry_at_the_other_host_is_the_same_transaction()
    {
        var sender = await _one.RegisterAsync();
        var receiver = await _one.RegisterAsync();

        await sender.SendAsync(receiver, "once", txnId: "1");
        await sender.At(_two).SendAsync(receiver, "twice", txnId: "1");

        Assert.That((await receiver.SyncAsync()).Texts, Is.EqualTo(new[] { "once" }));
    }

    [Test]
    public async Task R52_D11_a_sync_token_of_one_host_acknowledges_on_the_other()
    {
        var sender = await _one.RegisterAsync();
        var receiver = await _one.RegisterAsync();
        await sender.SendAsync(receiver, "one");
        var first = await receiver.SyncAsync();
        await sender.SendAsync(receiver, "two");

        Assert.That((await receiver.At(_two).SyncAsync(first.NextBatch)).Texts, Is.EqualTo(new[] { "two" }));
        Assert.That((await receiver.SyncAsync()).Texts, Is.EqualTo(new[] { "two" }), "the first is gone for good");
    }

    [Test]
    public async Task R73_of_two_refreshes_at_two_hosts_the_tokens_of_the_later_one_last()
    {
        for (var round = 0; round < 10; round++)
        {
            var one = await _one.RegisterAsync(refreshToken: true);
            var two = one.At(_two);

            await Task.WhenAll(one.RefreshAsync(), two.RefreshAsync());

            // Which one came later is open; that there is one, and only one, is not.
            int[] statuses = [(await one.CallAsync("GET", "/account/whoami")).Status, (await two.CallAsync("GET", "/account/whoami")).Status];
            Assert.That(statuses, Is.EquivalentTo(new[] { 200, 401 }));
        }
    }

    [Test]
    public async Task R73_a_new_token_that_is_first_used_at_both_hosts_at_once_is_good_at_both()
    {
        for (var round = 0; round < 10; round++)
        {
            var one = await _one.RegisterAsync(refreshToken: true);
            await one.RefreshAsync();
            var two = one.At(_two);

            var replies = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => (i % 2 == 0 ? one : two).CallAsync("GET", "/account/whoami")));

            Assert.That(replies.Select(reply => reply.Status), Is.All.EqualTo(200));
        }
    }

    [Test]
    public async Task D6_a_deletion_and_a_login_on_two_hosts_at_once_leave_a_device_with_its_mail_or_none()
    {
        var sender = await _two.RegisterAsync();
        var laptop = await _one.RegisterAsync("LAPTOP");
        await _two.LoginAsync(laptop.UserId, "PHONE");
        for (var round = 0; round < 40; round++)
        {
            var deletion = laptop.CallAsync("DELETE", "/devices/PHONE", new { auth = laptop.PasswordAuth() });
            var phone = await _two.LoginAsync(laptop.UserId, "PHONE");
            await sender.SendAsync(phone, $"{round}");
            (await deletion).Ok();

            // Either the deletion came after the login, or it has nothing to do with what came after the login.
            var sync = await phone.TrySyncAsync();
            if (sync.Status == 200) Assert.That(Sync.Of(sync.Body).Texts, Does.Contain($"{round}"));
            else sync.IsError(401, "M_UNKNOWN_TOKEN");
        }
    }

    [Test]
    public async Task D6_a_login_waits_until_the_end_of_an_earlier_device_with_its_ID_is_over_on_another_host()
    {
        var phone = await _one.RegisterAsync("PHONE");
        await phone.SendAsync(phone, "old");
        Task logout;
        Task<TestDevice> login;
        await using (PostgreSql.Hold(_database, $"SELECT FROM to_device.to_device_device WHERE user_id = '{phone.UserId}' FOR UPDATE"))
        {
            // In the middle of the end: its messages are still there.
            logout = phone.LogoutAsync();
            await PostgreSql.BlocksAsync(_database, "to_device_remove");
            login = _two.LoginAsync(phone.UserId, "PHONE");
            await PostgreSql.BlocksAsync(_database, "local_homeserver.user");
        }

        await logout;
        var later = await login;
        await later.SendAsync(later, "new");
        Assert.That((await later.SyncAsync()).Texts, Is.EqualTo(new[] { "new" }));
    }

    /// <summary>Its removal is on the wire when it loses its connection, and arrives when another host has begun a device with that ID.</summary>
    [Test]
    public async Task D6_a_removal_that_arrives_late_does_not_remove_the_messages_of_a_later_device()
    {
        using var proxy = new TestProxy(new NpgsqlConnectionStringBuilder(_database).Port);
        await using var slow = await Homeserver.StartAsync(
            "postgresql", PostgreSql.Setting, $"{_database};Port={proxy.Port};Cancellation Timeout=-1");
        var phone = (await _one.RegisterAsync("PHONE")).At(slow);
        var removal = proxy.HoldBack("to_device_remove");
        var logout = phone.CallAsync("POST", "/logout");
        await removal;
        // What the host holds, it holds by an open transaction.
        PostgreSql.Execute(_database, """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND state = 'idle in transaction'
            """);

        var later = await _two.LoginAsync(phone.UserId, "PHONE");
        await later.SendAsync(later, "new");
        await proxy.LetGoAsync();
        (await logout).IsError(503, "M_UNKNOWN");

        Assert.That((await later.SyncAsync()).Texts, Is.EqualTo(new[] { "new" }));
    }

    [Test]
    public async Task A_host_that_has_lost_its_tables_is_not_healthy()
    {
        var database = PostgreSql.NewDatabase();
        await using var server = await Homeserver.StartAsync("postgresql", PostgreSql.Setting, database);
        PostgreSql.Execute(database, "DROP SCHEMA to_device CASCADE");

        Assert.That((await server.SendAsync("GET", "/health")).Status, Is.EqualTo(503));
    }
}
