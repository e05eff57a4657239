namespace LocalHomeserver.Tests;

/// <summary>Two hosts on one PostgreSQL database are one server for keys as well.</summary>
internal sealed class KeysOnTwoHostsTests
{
    private Homeserver _one = null!, _two = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        var database = PostgreSql.NewDatabase();
        var hosts = await Task.WhenAll(
            Homeserver.StartAsync("postgresql", PostgreSql.Setting, database), Homeserver.StartAsync("postgresql", PostgreSql.Setting, database));
        (_one, _two) = (hosts[0], hosts[1]);
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        if (_one is not null) await _one.DisposeAsync();
        if (_two is not null) await _two.DisposeAsync();
    }

    [Test]
    public async Task No_key_is_given_twice_however_many_ask_at_both_hosts_at_once()
    {
        var bob = await _one.RegisterAsync();
        var alice = await _one.RegisterAsync();
        var keyIds = Enumerable.Range(0, 40).Select(i => $"K{i}").ToArray();
        await bob.UploadOneTimeKeysAsync(keyIds);

        var claimed = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => alice.At(i % 2 == 0 ? _one : _two).ClaimAsync(bob)));

        Assert.That(claimed.Where(key => key is not null), Is.EquivalentTo(keyIds));
    }

    [Test]
    public async Task A_change_at_one_host_ends_a_long_poll_at_the_other()
    {
        var alice = (await _one.RegisterAsync()).At(_two);
        var bob = await _one.RegisterAsync();
        await alice.QueryAsync(bob.UserId);
        using var waiting = new WaitingSyncs(_two);
        var poll = alice.SyncAsync((await alice.SyncAsync()).NextBatch, timeout: 600_000);
        await waiting.NextAsync();

        await bob.UploadIdentityAsync();

        Assert.That((await poll).Changed(), Is.EqualTo(new[] { bob.UserId }));
    }

    [Test]
    public async Task D6_uploads_and_an_end_on_two_hosts_at_once_leave_nothing_for_a_later_device()
    {
        for (var round = 0; round < 10; round++)
        {
            var phone = await _one.RegisterAsync("PHONE");
            var there = phone.At(_two);
            var uploads = Enumerable.Range(0, 6).Select(i => there.TryUploadAsync(
                oneTimeKeys: new() { [$"signed_curve25519:{i}"] = TestKeys.OneTimeKey(phone, "value") })).ToList();
            await phone.LogoutAsync();
            var later = await _one.LoginAsync(phone.UserId, "PHONE");

            foreach (var upload in await Task.WhenAll(uploads)) Assert.That(upload.Status, Is.EqualTo(200).Or.EqualTo(401));
            Assert.That((await later.SyncAsync()).Count(), Is.Zero);
        }
    }
}
